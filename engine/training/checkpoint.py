"""Checkpoints: one file, written whole or not at all, opened weights-only."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine import config as configuration
from engine.config import RunConfig
from engine.events import CHECKPOINT_FOLDER, TRAINABLE_FILE
from engine.exchange.graph_weights import GraphWeight, GraphWeightError, take, to_plain
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.text.pronunciation import lexicon_file, phone_vocabulary
from engine.text.vocabulary import Vocabulary

FORMAT = 1
BESIDE_GRAPHS_FORMAT = 2
"""Of a file whose large weights stand in the graphs of its bundle."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used. The message names the file and what to do."""


@dataclass
class Checkpoint:
    """Weights and all that is needed to build their model again; `training` is what resuming needs beyond."""

    config: RunConfig
    step: int
    model: dict[str, Tensor]
    vocabulary: Vocabulary | None = None
    training: dict[str, Any] | None = None
    run: str = ""
    codebook_trained: bool = True
    phones: tuple[str, ...] = ()
    """Those that the head knows beside the vocabulary (engine/text/pronunciation.py); () for letters alone."""
    phone_counts: Tensor | None = None
    """How often which of them followed which in all that it learned from, for CTC-CRF (engine/text/phone_trigram.py)"""

    @property
    def tokens(self) -> int:
        """Columns of a CTC model's head: the vocabulary's, and where it knows phones theirs with their blank."""
        return head_size(self.vocabulary, self.phones)


def head_size(vocabulary: Vocabulary | None, phones: tuple[str, ...]) -> int:
    """Columns of the head for a vocabulary and phones."""
    return (0 if vocabulary is None else len(vocabulary)) + (len(phone_vocabulary(phones)) if phones else 0)


def save_checkpoint(checkpoint: Checkpoint, path: Path, in_graphs: Mapping[str, GraphWeight] | None = None) -> None:
    """Write to a temporary name, flush to the disk, rename. Raises OSError (disk full) with the old file intact.

    `in_graphs` are the weights that `checkpoint` lacks, as the graphs beside `path` have them.
    """
    vocabulary = checkpoint.vocabulary
    content = {
        "format": BESIDE_GRAPHS_FORMAT if in_graphs else FORMAT,
        "config": configuration.to_mapping(checkpoint.config),
        "step": checkpoint.step,
        "model": checkpoint.model,
        "vocabulary": None
        if vocabulary is None
        else {"tokens": list(vocabulary.tokens), "blank": vocabulary.blank, "separator": vocabulary.separator},
        "training": checkpoint.training,
        "run": checkpoint.run,
        "codebook_trained": checkpoint.codebook_trained,
        "phones": list(checkpoint.phones),
        "phone_counts": checkpoint.phone_counts,
    }
    if in_graphs:
        content["in_graphs"] = to_plain(in_graphs, path.parent)
    part = path.with_name(path.name + ".tmp")
    try:
        with part.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except BaseException as error:
        part.unlink(missing_ok=True)
        # torch wraps a full disk into a RuntimeError; the caller knows OSError
        if isinstance(error, RuntimeError):
            raise OSError(f"cannot write {path}: {error}") from error
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _flush_folder(folder: Path) -> None:
    """The new name must outlive a power loss as well as the content does; Windows has no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_damaged(path: Path) -> bool:
    """Whether a file is no whole archive, or holds bytes other than those that were written (CRC-32).

    torch leaves the sums unread; a power loss can leave a file of the right length with holes of zeros in it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is not None
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError):
        return True


def load_checkpoint(path: Path, *, verify: bool = False) -> Checkpoint:
    """Read a checkpoint without running any code in it; `verify` reads it twice, to compare its sums.

    Raises CheckpointError.
    """
    if verify and path.exists() and is_damaged(path):
        raise CheckpointError(f"{path} is not a readable checkpoint (torn or of another program)")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint at {path}") from error
    except Exception as error:  # torch raises many kinds for torn, foreign or unsafe files
        raise CheckpointError(f"{path} is not a readable checkpoint (torn or of another program)") from error
    if not isinstance(content, Mapping) or content.get("format") not in (FORMAT, BESIDE_GRAPHS_FORMAT):
        found = content.get("format", "none") if isinstance(content, Mapping) else "none"
        raise CheckpointError(f"{path} is no w2v checkpoint of format {FORMAT} (found {found}): update w2v studio")
    model = content["model"]
    if "in_graphs" in content:
        try:
            model |= take(content["in_graphs"], path.parent)
        except GraphWeightError as error:
            raise CheckpointError(f"{path}: {error}") from error
    words = content["vocabulary"]
    return Checkpoint(
        config=configuration.from_mapping(RunConfig, content["config"]),
        step=content["step"],
        model=model,
        vocabulary=None if words is None else Vocabulary(tuple(words["tokens"]), words["blank"], words["separator"]),
        training=content["training"],
        run=content["run"],
        codebook_trained=content["codebook_trained"],
        phones=tuple(content.get("phones", ())),
        phone_counts=content.get("phone_counts"),
    )


def letters_alone(checkpoint: Checkpoint) -> Checkpoint:
    """The same model without the columns of its phones, for formats that know letters only."""
    if not checkpoint.phones or checkpoint.vocabulary is None:
        return checkpoint
    rows = len(checkpoint.vocabulary)
    heads = {name: value[:rows] for name, value in checkpoint.model.items() if name.startswith("head.")}
    return dataclasses.replace(checkpoint, model=checkpoint.model | heads, phones=(), phone_counts=None)


def find_checkpoint(place: Path) -> Path:
    """`place` itself, a bundle's trainable.pt, a run's best.pt, or else its newest. Raises CheckpointError."""
    if place.is_file():
        return place
    if (place / TRAINABLE_FILE).is_file():
        return place / TRAINABLE_FILE
    folder = place / CHECKPOINT_FOLDER if (place / CHECKPOINT_FOLDER).is_dir() else place
    if (folder / "best.pt").is_file():
        return folder / "best.pt"
    steps = sorted(folder.glob("step-*.pt"))
    if not steps:
        raise CheckpointError(
            f"no checkpoint at {place}: give a .pt file, the folder of a run that has saved one, or a bundle exported "
            f"with --trainable"
        )
    return steps[-1]


def lexicon_of(path: Path, config: RunConfig) -> Path | None:
    """The lexicon behind the checkpoint at `path`: its run's or bundle's own, which has the words of its training too,

    or else the one that the config names, if it is still there.
    """
    own = lexicon_file(path.parent.parent if path.parent.name == CHECKPOINT_FOLDER else path.parent)
    given = None if config.ctc.lexicon is None else Path(config.ctc.lexicon)
    return own or (given if given is not None and given.is_file() else None)


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Load all weights; missing, unexpected and mis-shaped ones are an error that names them."""
    own = model.state_dict()
    problems = [f"missing {name}" for name in own if name not in weights]
    problems += [f"unexpected {name}" for name in weights if name not in own]
    problems += [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise CheckpointError(f"the weights of {origin} do not fit the model: {shown}")
    model.load_state_dict(dict(weights))


def build_pretraining_model(checkpoint: Checkpoint) -> PretrainingModel:
    """The pre-training model of a checkpoint, with its weights."""
    if checkpoint.config.task != "pretrain":
        raise CheckpointError(f"{checkpoint.run or 'this checkpoint'} is fine-tuned; give a pre-training one")
    model = PretrainingModel(checkpoint.config)
    load_weights(model, checkpoint.model, checkpoint.run or "the checkpoint")
    return model


def build_ctc_model(checkpoint: Checkpoint) -> CtcModel:
    """The CTC model of a checkpoint, with its weights."""
    if checkpoint.config.task != "finetune" or checkpoint.vocabulary is None:
        raise CheckpointError(
            f"{checkpoint.run or 'this checkpoint'} is pre-trained only and knows no letters: fine-tune it first "
            "(w2v-engine finetune --from ...)"
        )
    model = CtcModel(checkpoint.config, checkpoint.tokens)
    load_weights(model, checkpoint.model, checkpoint.run or "the checkpoint")
    return model


def ctc_from_pretraining(
    config: RunConfig, checkpoint: Checkpoint, vocabulary: Vocabulary, phones: tuple[str, ...] = ()
) -> CtcModel:
    """A CTC model that starts from pre-trained (or fine-tuned) weights, with fresh columns for what its head lacks.

    Where `config` has more layers than the checkpoint, or more feed-forward units, the further ones begin by changing
    nothing.
    """
    old = checkpoint.config.model
    as_before = dataclasses.replace(config.model, layers=old.layers, ffn_dim=old.ffn_dim)
    if as_before != old or config.model.layers < old.layers or config.model.ffn_dim < old.ffn_dim:
        raise CheckpointError("the model section of the config differs from the checkpoint's: leave it out")
    model = CtcModel(config, head_size(vocabulary, phones))
    own = model.state_dict()
    weights = {f"head.{name}": value for name, value in model.head.state_dict().items()}
    if checkpoint.config.task == "finetune":
        weights = dict(checkpoint.model) | _head(checkpoint, vocabulary, phones, weights)
    else:
        for name, value in checkpoint.model.items():
            part, _, rest = name.partition(".")
            if part == "wav2vec2":
                weights[f"backbone.{rest}"] = value
                if rest.startswith("feature_extractor."):
                    weights[f"quantizer_encoder.{rest.removeprefix('feature_extractor.')}"] = value
            elif part == "quantizer":
                weights[name] = value
        norm = "wav2vec2.feature_projection.layer_norm"
        weights |= {f"quantizer_norm.{end}": checkpoint.model[f"{norm}.{end}"] for end in ("weight", "bias")}
    for layer in range(old.layers):
        weights |= _with_silent_units(own, weights, f"backbone.encoder.layers.{layer}.feed_forward.")
    for layer in range(old.layers, config.model.layers):
        weights |= _silent_layer(own, f"backbone.encoder.layers.{layer}.")
    load_weights(model, weights, checkpoint.run or "the checkpoint")
    return model


def _head(
    checkpoint: Checkpoint, vocabulary: Vocabulary, phones: tuple[str, ...], fresh: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The columns of the checkpoint's head for what it knows already, `fresh` ones for the rest."""
    head = {name: value.clone() for name, value in fresh.items()}
    for name, value in head.items():
        if checkpoint.vocabulary == vocabulary:
            value[: len(vocabulary)] = checkpoint.model[name][: len(vocabulary)]
        if phones and checkpoint.phones == phones:
            value[len(vocabulary) :] = checkpoint.model[name][-len(phone_vocabulary(phones)) :]
    return head


def _with_silent_units(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A feed-forward network's weights with fresh units after its own that reach no output yet."""
    inner, output = (f"{prefix}intermediate_dense", f"{prefix}output_dense.weight")
    grown = {name: own[name].clone() for name in (f"{inner}.weight", f"{inner}.bias", output)}
    grown[output].zero_()
    for name, value in grown.items():
        value[tuple(slice(size) for size in weights[name].shape)] = weights[name]
    return grown


def _silent_layer(own: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A fresh pre-LN layer whose two sums add 0."""
    layer = {name: value.clone() for name, value in own.items() if name.startswith(prefix)}
    for part in ("attention.out_proj", "feed_forward.output_dense"):
        for end in ("weight", "bias"):
            layer[f"{prefix}{part}.{end}"].zero_()
    return layer
