"""A transformers folder in: config, weights in any of their files, vocabulary, waveform normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from engine.config import with_settings
from engine.exchange.kinds import Kind
from engine.exchange.names import MASK_EMBEDDING, TRANSFORMERS, translate
from engine.exchange.published_model import PublishedModel, check_weights, draw_mask_embedding, expected_shapes
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.transformers_config import read_json, read_kind, read_normalization, read_run_config
from engine.exchange.vocabulary_files import (
    read_given_vocabulary,
    read_tokenizer_settings,
    read_transformers_vocabulary,
)
from engine.exchange.weight_files import load_pickle, load_safetensors, load_shards, tensors_of
from engine.training.checkpoint import CheckpointError

CONFIG_FILE = "config.json"
CODEBOOK_FILE = "w2v-codebook.safetensors"
"""Our own addition beside a CTC model's weights: the quantizer, which transformers' CTC model has no place for."""
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""In order of preference."""


def is_transformers_folder(folder: Path) -> bool:
    """Whether there is a config.json with weights beside it."""
    return (folder / CONFIG_FILE).is_file() and any((folder / name).is_file() for name in WEIGHT_FILES)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors, from whichever file there is. Raises CheckpointError."""
    for name in WEIGHT_FILES:
        path = folder / name
        if not path.is_file():
            continue
        if name.endswith(".index.json"):
            return load_shards(folder, path)
        return load_safetensors(path) if name.endswith(".safetensors") else tensors_of(load_pickle(path), path)
    raise CheckpointError(f"{folder} holds no weights: it needs one of {', '.join(WEIGHT_FILES)}")


def read_transformers_folder(folder: Path, options: ReadingOptions) -> PublishedModel:
    """Everything in the folder, checked. Raises CheckpointError, ConfigError or VocabularyError."""
    path = folder / CONFIG_FILE
    values = read_json(path)
    kind = read_kind(values, path)
    normalize, assumed = read_normalization(folder, str(values.get("feat_extract_norm", "group")))
    run = with_settings(read_run_config(values, kind, normalize, path), options.settings)
    raw = load_weights(folder)
    if kind == "ctc" and run.model.adapter_dim:
        raw |= load_language(folder, options)
    if kind == "backbone" and not any(name.startswith("wav2vec2.") for name in raw):
        raw = {f"wav2vec2.{name}": value for name, value in raw.items()}
    weights, foreign = translate(raw, TRANSFORMERS)
    found = PublishedModel(str(folder), kind, run, weights, notes=[assumed] if assumed else [])
    if kind != "pretraining" and MASK_EMBEDDING not in weights:
        draw_mask_embedding(weights, run, found.notes)
    rows = head_rows(weights, values, kind)
    shapes = expected_shapes(run, kind, rows)
    check_weights(str(folder), weights, foreign, shapes, TRANSFORMERS.from_ours)
    if kind == "ctc":
        found.vocabulary = (
            read_given_vocabulary(options.vocabulary, rows, options.language)
            if options.vocabulary is not None
            else read_transformers_vocabulary(folder, rows, options.language)
        )
        if (folder / CODEBOOK_FILE).is_file():
            found.codebook, found.codebook_trained = read_codebook(folder / CODEBOOK_FILE)
    found.config = replace(run, name=folder.resolve().name)
    return found


def load_language(folder: Path, options: ReadingOptions) -> dict[str, Tensor]:
    """Adapters and head of the wanted language of an MMS folder; none where the folder's own weights are of it.

    Raises CheckpointError for a language that is not there.
    """
    own = read_tokenizer_settings(folder).language
    language = options.language or own
    if language is None:
        return {}
    for name in (f"adapter.{language}.safetensors", f"adapter.{language}.bin"):
        path = folder / name
        if path.is_file():
            options.say(f"language {language}: {name}")
            return load_safetensors(path) if name.endswith(".safetensors") else tensors_of(load_pickle(path), path)
    if language == own:
        return {}
    there = sorted(path.name.split(".")[1] for path in folder.glob("adapter.*"))
    raise CheckpointError(
        f"{folder} has no adapter.{language}.safetensors: its weights are for {own or 'one language'}"
        + (f", with adapters for {', '.join(there[:20])}" if there else "; download that file too")
    )


def head_rows(weights: Mapping[str, Tensor], values: Mapping[str, object], kind: Kind) -> int:
    """Rows of the CTC head: what the weights have; the config's number where they have none."""
    if kind != "ctc":
        return 0
    head = weights.get("head.weight")
    size = values.get("vocab_size", 32)
    return len(head) if head is not None else size if isinstance(size, int) else 32


def read_codebook(path: Path) -> tuple[dict[str, Tensor], bool]:
    """The quantizer that `export-hf` wrote, and whether it was trained."""
    from safetensors import safe_open

    tensors = load_safetensors(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    return tensors, metadata.get("codebook_trained") == "true"
