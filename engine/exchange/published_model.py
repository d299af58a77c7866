"""A checkpoint of another program in our terms, and the check that its weights are exactly those of its config."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.exchange.kinds import Kind
from engine.exchange.names import MASK_EMBEDDING
from engine.model.pretraining import PretrainingModel
from engine.text.vocabulary import Vocabulary
from engine.training.checkpoint import CheckpointError

PARTS: dict[Kind, tuple[str, ...]] = {
    "pretraining": ("wav2vec2", "quantizer", "project_q", "project_hid"),
    "ctc": ("wav2vec2", "head"),
    "backbone": ("wav2vec2",),
}
"""First parts of the names that a checkpoint of each kind must hold, and no others."""
CODEBOOK_PARTS = ("quantizer", "quantizer_norm", "quantizer_encoder")
MASK_EMBEDDING_SEED = 20_477


@dataclass
class PublishedModel:
    """Weights under our names, with the config they fit. `codebook` holds a CTC model's quantizer where it has one.

    `codebook` names are those of the CTC model: quantizer.…, quantizer_norm.…, quantizer_encoder.…; `notes` are
    sentences that a person should read.
    """

    origin: str
    kind: Kind
    config: RunConfig
    weights: dict[str, Tensor]
    vocabulary: Vocabulary | None = None
    codebook: dict[str, Tensor] = field(default_factory=dict)
    codebook_trained: bool = True
    notes: list[str] = field(default_factory=list)


def expected_shapes(config: RunConfig, kind: Kind, tokens: int = 0) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a model of this kind."""
    with torch.device("meta"):
        model = PretrainingModel(config)
    shapes = {
        name: tuple(value.shape) for name, value in model.state_dict().items() if name.split(".")[0] in PARTS[kind]
    }
    if kind == "ctc":
        shapes |= {"head.weight": (tokens, config.model.embed_dim), "head.bias": (tokens,)}
    return shapes


def collapse_numbers(names: Sequence[str]) -> list[str]:
    """The names in order, those that differ in one layer number only as one: encoder.layers.0-11.fc1.weight."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for name in names:
        head, number, tail = _first_number(name)
        groups.setdefault((head, tail) if number >= 0 else (name,), []).append(number)
    lines = []
    for key, numbers in groups.items():
        lines.append(key[0] if len(key) == 1 else f"{key[0]}{_ranges(numbers)}{key[1]}")
    return lines


def _first_number(name: str) -> tuple[str, int, str]:
    match = re.search(r"(?<=\.)\d+(?=\.)", name)
    return (name, -1, "") if match is None else (name[: match.start()], int(match[0]), name[match.end() :])


def _ranges(numbers: Sequence[int]) -> str:
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def check_weights(
    origin: str,
    weights: Mapping[str, Tensor],
    foreign: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    their_name: Callable[[str], str],
) -> None:
    """Raise CheckpointError that names every missing, unexpected and mis-shaped weight, as the file calls them."""
    missing = [their_name(name) for name in shapes if name not in weights]
    unexpected = [their_name(name) for name in weights if name not in shapes] + list(foreign)
    wrong = [
        f"{their_name(name)} is {tuple(weights[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in weights and tuple(weights[name].shape) != shape
    ]
    lines = [
        f"\n  {title}:" + "\n    ".join(["", *collapse_numbers(names)])
        for title, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        if names
    ]
    if lines:
        raise CheckpointError(f"the weights of {origin} are not those of its settings:" + "".join(lines))


def draw_mask_embedding(weights: dict[str, Tensor], config: RunConfig, notes: list[str]) -> None:
    """Give `weights` a mask embedding, drawn as at the start of pre-training, where the format keeps none."""
    if MASK_EMBEDDING in weights:
        return
    generator = torch.Generator().manual_seed(MASK_EMBEDDING_SEED)
    weights[MASK_EMBEDDING] = torch.rand(config.model.embed_dim, generator=generator)
    notes.append(
        "it holds no mask embedding: a random one is put in its place, which recognition never uses and fine-tuning "
        "trains; masked views of this model mean nothing before that"
    )
