"""Whatever a person names: a folder, a file or a Hub repository, told apart by what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from engine.config import with_settings
from engine.events import CHECKPOINT_FOLDER
from engine.exchange.fairseq_file import is_fairseq_content, read_fairseq_file
from engine.exchange.hub import download, is_hub_id
from engine.exchange.kinds import Kind
from engine.exchange.names import MASK_EMBEDDING
from engine.exchange.published_model import CODEBOOK_PARTS, PublishedModel
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.torchaudio_weights import is_torchaudio, read_torchaudio_weights
from engine.exchange.transformers_folder import WEIGHT_FILES, is_transformers_folder, read_transformers_folder
from engine.exchange.weight_files import load_pickle, load_safetensors, tensors_of
from engine.training.checkpoint import CheckpointError, find_checkpoint, letters_alone, load_checkpoint

KNOWN = (
    "a transformers folder (config.json with model.safetensors or pytorch_model.bin), a fairseq .pt, a torchaudio "
    "state dict, or a checkpoint or run of this engine"
)


def read_source(source: str, options: ReadingOptions) -> PublishedModel:
    """The model at `source`. Raises CheckpointError, ConfigError or VocabularyError that says what is wrong with it."""
    path = Path(source).expanduser()
    if path.is_dir():
        return _read_folder(path, options)
    if path.is_file():
        return _read_file(path, options)
    if is_hub_id(source):
        return replace(_read_folder(download(source, options), options), origin=source)
    raise CheckpointError(f"there is nothing at {source}: give {KNOWN}, or the owner/name of a Hub repository")


def _read_folder(folder: Path, options: ReadingOptions) -> PublishedModel:
    if is_transformers_folder(folder):
        options.say(f"reading the transformers folder {folder}")
        return read_transformers_folder(folder, options)
    if (folder / CHECKPOINT_FOLDER).is_dir() or any(folder.glob("step-*.pt")):
        return _read_own(find_checkpoint(folder), options)
    files = sorted(item.name for item in folder.iterdir())[:8]
    raise CheckpointError(f"{folder} holds {', '.join(files) or 'nothing'}, which is not {KNOWN}")


def _read_file(path: Path, options: ReadingOptions) -> PublishedModel:
    if path.name in WEIGHT_FILES and is_transformers_folder(path.parent):
        return _read_folder(path.parent, options)
    options.say(f"reading {path}")
    if path.suffix == ".safetensors":
        return _read_state_dict(path, load_safetensors(path), options)
    content = load_pickle(path)
    if isinstance(content, Mapping) and {"format", "config", "model"} <= set(content):
        return _read_own(path, options)
    if is_fairseq_content(content):
        return read_fairseq_file(path, content, options)
    return _read_state_dict(path, tensors_of(content, path), options)


def _read_state_dict(path: Path, weights: Mapping[str, Tensor], options: ReadingOptions) -> PublishedModel:
    if is_torchaudio(weights):
        return read_torchaudio_weights(path, weights, options)
    if any(name.startswith(("wav2vec2.", "encoder.layers.")) and ".attention." in name for name in weights):
        raise CheckpointError(f"{path} holds transformers' weights: put its config.json beside it, and give the folder")
    raise CheckpointError(f"{path} holds tensors by unknown names, as {next(iter(weights))!r}: it is not {KNOWN}")


def _read_own(path: Path, options: ReadingOptions) -> PublishedModel:
    """A checkpoint of this engine, so that one of ours can be a parent, or take a codebook from one."""
    checkpoint = letters_alone(load_checkpoint(path))
    kind: Kind = "ctc" if checkpoint.config.task == "finetune" else "pretraining"
    weights = checkpoint.model
    codebook: dict[str, Tensor] = {}
    if kind == "ctc":
        codebook = {name: value for name, value in weights.items() if name.split(".")[0] in CODEBOOK_PARTS}
        rest = {name: value for name, value in weights.items() if name not in codebook}
        weights = {name.replace("backbone.", "wav2vec2.", 1): value for name, value in rest.items()}
    if MASK_EMBEDDING not in weights:
        raise CheckpointError(f"{path} lacks {MASK_EMBEDDING}: it is not whole")
    return PublishedModel(
        str(path),
        kind,
        with_settings(checkpoint.config, options.settings),
        dict(weights),
        checkpoint.vocabulary,
        codebook,
        checkpoint.codebook_trained,
    )
