"""A torchaudio state dict in (`torchaudio.models.wav2vec2_model(...).state_dict()`), without settings of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from engine.config import RunConfig, with_settings
from engine.exchange.kinds import Kind
from engine.exchange.names import TORCHAUDIO, translate
from engine.exchange.published_model import PublishedModel, check_weights, draw_mask_embedding, expected_shapes
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.sizes_from_weights import read_sizes
from engine.exchange.transformers_config import published_objective
from engine.exchange.vocabulary_files import read_given_vocabulary
from engine.text.vocabulary import ENGLISH_SYMBOLS, Vocabulary, VocabularyError

OWN_PART = "encoder.transformer."
"""Part of the names that no other program has."""


def is_torchaudio(weights: Mapping[str, Tensor]) -> bool:
    """Whether the names are torchaudio's."""
    return any(name.startswith(OWN_PART) for name in weights)


def read_torchaudio_weights(path: Path, raw: Mapping[str, Tensor], options: ReadingOptions) -> PublishedModel:
    """The model of a state dict, checked. Raises CheckpointError, ConfigError or VocabularyError."""
    weights, foreign = translate(raw, TORCHAUDIO)
    kind: Kind = "ctc" if "head.weight" in weights else "backbone"
    model, assumed = read_sizes(weights, str(path))
    run = RunConfig(
        task="finetune" if kind == "ctc" else "pretrain",
        name=path.stem,
        model=model,
        objective=published_objective(model),
    )
    run = with_settings(run, options.settings)
    notes = [assumed]
    draw_mask_embedding(weights, run, notes)
    rows = len(weights["head.weight"]) if kind == "ctc" else 0
    check_weights(str(path), weights, foreign, expected_shapes(run, kind, rows), TORCHAUDIO.from_ours)
    vocabulary = _vocabulary(path, rows, options, notes) if kind == "ctc" else None
    return PublishedModel(str(path), kind, replace(run, name=path.stem), weights, vocabulary, notes=notes)


def _vocabulary(path: Path, rows: int, options: ReadingOptions, notes: list[str]) -> Vocabulary:
    """29 rows are the published English labels, 32 the same with fairseq's specials (reference section 16)."""
    if options.vocabulary is not None:
        return read_given_vocabulary(options.vocabulary, rows, options.language)
    full = ("<pad>", "<s>", "</s>", "<unk>", *ENGLISH_SYMBOLS)
    for tokens in (full, ("<pad>", *ENGLISH_SYMBOLS)):
        if len(tokens) == rows:
            notes.append(
                f"a state dict has no letters: its {rows} rows are taken for the published English ones (give others "
                "with --vocabulary vocab.json)"
            )
            return Vocabulary(tokens)
    raise VocabularyError(
        f"{path}: the letters of its {rows} rows are not known: give them with --vocabulary vocab.json"
    )
