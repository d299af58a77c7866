"""`trainable.pt`: a bundle's weights as a checkpoint of the engine, to fine-tune it further.

Weights that the bundle's graphs hold are not stored a second time (engine/exchange/graph_weights.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.events import TRAINABLE_FILE
from engine.exchange.graph_weights import GraphWeight, graph_tensors
from engine.training.checkpoint import Checkpoint, save_checkpoint
from export.bundle import CONTEXT_FILE, FEATURES_FILE
from export.context_graph import EXTRA_CHANNELS
from export.half import SMALLEST_ELEMENTS

Content = tuple[torch.dtype, bytes]


def write_trainable(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the file into a folder that has its graphs already. Raises OSError."""
    places = weights_in_graphs(checkpoint, folder)
    bare = without_training(checkpoint)
    bare = replace(bare, model={name: value for name, value in bare.model.items() if name not in places})
    save_checkpoint(bare, folder / TRAINABLE_FILE, places)


def without_training(checkpoint: Checkpoint) -> Checkpoint:
    """What it takes to go on from the weights, which are rounded to 16 bits, as training noise is far above that.

    Places on this machine are left out: they are nobody else's business.
    """
    config = checkpoint.config
    data = replace(config.data, train=(), valid=(), weights=(), root=None, noise=(), impulse_responses=None)
    config = replace(config, data=data, ctc=replace(config.ctc, checkpoint=None, vocabulary=None, lexicon=None))
    largest = torch.finfo(torch.float16).max
    weights = {
        name: value.half() if value.is_floating_point() and bool((value.abs() <= largest).all()) else value
        for name, value in checkpoint.model.items()
    }
    return replace(checkpoint, config=config, model=weights, training=None)


def weights_in_graphs(checkpoint: Checkpoint, folder: Path) -> dict[str, GraphWeight]:
    """Where the checkpoint's large weights stand in the graphs of `folder`, exactly or as rounded to 16 bits."""
    stored = {
        (graph, name): tensor
        for graph in (FEATURES_FILE, CONTEXT_FILE)
        for name, tensor in graph_tensors(folder / graph).items()
    }
    by_content = {_content(tensor): key for key, tensor in stored.items() if tensor.numel() > SMALLEST_ELEMENTS}
    heads = checkpoint.config.model.heads
    places = {}
    for name, weight in checkpoint.model.items():
        if not weight.is_floating_point() or weight.numel() <= SMALLEST_ELEMENTS:
            continue
        for value in (weight.float(), weight.half()):
            place = _find(value, heads, by_content)
            if place is not None and torch.equal(place.from_graph(stored[place.graph, place.tensor]), value):
                places[name] = place
                break
    return places


def _find(value: Tensor, heads: int, by_content: dict[Content, tuple[str, str]]) -> GraphWeight | None:
    """A place whose tensor has the elements of `value`: as they are, transposed, or transposed behind widened heads."""
    shape = tuple(value.shape)
    key = by_content.get(_content(value))
    if key is not None:
        return GraphWeight(*key, shape)
    if value.ndim != 2:
        return None
    key = by_content.get(_content(value.mT))
    if key is not None:
        return GraphWeight(*key, shape, transposed=True)
    if shape[0] % heads:
        return None
    rows = value.unflatten(0, (heads, -1))  # type: ignore[no-untyped-call]
    key = by_content.get(_content(F.pad(rows, (0, 0, 0, EXTRA_CHANNELS)).flatten(0, 1).mT))
    return None if key is None else GraphWeight(*key, shape, transposed=True, heads=heads)


def _content(tensor: Tensor) -> Content:
    return tensor.dtype, tensor.detach().contiguous().cpu().numpy().tobytes()
