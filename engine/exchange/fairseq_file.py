"""A fairseq .pt in: pre-trained or CTC-fine-tuned, with either kind of settings, opened without fairseq."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.config import ConfigError, RunConfig, with_settings
from engine.exchange.fairseq_config import (
    model_settings,
    read_model_config,
    read_run_config,
    refuse_other_networks,
)
from engine.exchange.kinds import Kind
from engine.exchange.names import MASK_EMBEDDING, NameMap, fairseq_names, translate
from engine.exchange.published_model import PublishedModel, check_weights, draw_mask_embedding, expected_shapes
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.sizes_from_weights import read_sizes
from engine.exchange.vocabulary_files import read_fairseq_dictionary, read_given_vocabulary, vocabulary_of_symbols
from engine.exchange.weight_files import plain, tensors_of
from engine.text.vocabulary import ENGLISH_SYMBOLS, Vocabulary, VocabularyError

ENCODER_PREFIX, NETWORK_PREFIX = "w2v_encoder.", "w2v_encoder.w2v_model."
DICTIONARY_FILE = "dict.ltr.txt"
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
ENGLISH_ROWS = 32


def is_fairseq_content(content: object) -> bool:
    """Whether an opened file has fairseq's parts."""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("model"), Mapping)
        and ("args" in content or "cfg" in content)
    )


def read_fairseq_file(path: Path, content: Mapping[str, Any], options: ReadingOptions) -> PublishedModel:
    """The model in an opened .pt, checked. Raises CheckpointError, ConfigError or VocabularyError."""
    raw = tensors_of(content["model"], path)
    settings = {name: plain(content.get(name)) for name in ("args", "cfg")}
    network, stage, normalize = model_settings({**settings, "model": raw})
    refuse_other_networks(network, str(path))
    fine_tuned = any(name.startswith(ENCODER_PREFIX) for name in raw)
    kind: Kind = "ctc" if fine_tuned else "pretraining"
    bare = _without_prefix(raw) if fine_tuned else raw
    names = fairseq_names(any(".2.1." in name for name in bare))
    weights, foreign = translate(bare, names)
    run, notes = _run_config(path, weights, network, stage, normalize, fine_tuned, options)
    found = PublishedModel(str(path), kind, run, weights, notes=notes)
    if fine_tuned and MASK_EMBEDDING not in weights:
        draw_mask_embedding(weights, run, notes)
    rows = len(weights["head.weight"]) if "head.weight" in weights else 0
    shapes = expected_shapes(run, kind, rows or ENGLISH_ROWS)
    check_weights(str(path), weights, foreign, shapes, _their_name(names, fine_tuned))
    if fine_tuned:
        found.vocabulary = _vocabulary(path, content, rows, options, notes)
    return found


def _without_prefix(raw: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names as pre-trained files have them; those of a decoder keep theirs and are found unexpected."""
    return {name.removeprefix(NETWORK_PREFIX).removeprefix(ENCODER_PREFIX): value for name, value in raw.items()}


def _their_name(names: NameMap, fine_tuned: bool) -> Any:
    def name(ours: str) -> str:
        theirs = names.from_ours(ours)
        if not fine_tuned or theirs == ours:
            return theirs
        return (ENCODER_PREFIX if ours.startswith("head.") else NETWORK_PREFIX) + theirs

    return name


def _run_config(
    path: Path,
    weights: Mapping[str, Tensor],
    network: Mapping[str, Any],
    stage: Mapping[str, Any],
    normalize: bool | None,
    fine_tuned: bool,
    options: ReadingOptions,
) -> tuple[RunConfig, list[str]]:
    notes = []
    try:
        if network:
            layer_norm = network.get("extractor_mode") == "layer_norm"
            if normalize is None:
                notes.append(
                    f"its settings do not say whether waveforms are normalised: {'yes' if layer_norm else 'no'} is "
                    "assumed, as in the recipes (change it with --set model.normalize_waveform=...)"
                )
            model = read_model_config(network, layer_norm if normalize is None else normalize)
        else:
            model, assumed = read_sizes(weights, str(path))
            notes.append(assumed)
            if normalize is not None:
                model = replace(model, normalize_waveform=normalize)
        run = replace(read_run_config(model, network, stage, fine_tuned), name=path.stem)
        return with_settings(run, options.settings), notes
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _vocabulary(
    path: Path, content: Mapping[str, Any], rows: int, options: ReadingOptions, notes: list[str]
) -> Vocabulary:
    """What the person gave, the dictionary beside the file, the one inside it, or the published English letters."""
    if options.vocabulary is not None:
        return read_given_vocabulary(options.vocabulary, rows, options.language)
    beside = path.with_name(DICTIONARY_FILE)
    if beside.is_file():
        return vocabulary_of_symbols(read_fairseq_dictionary(beside), rows, str(beside))
    inside = plain(content.get("task_state"))
    dictionary = inside.get("target_dictionary") if isinstance(inside, Mapping) else None
    symbols = dictionary.get("symbols") if isinstance(dictionary, Mapping) else None
    if isinstance(symbols, list) and len(symbols) == rows and tuple(symbols[: len(SPECIALS)]) == SPECIALS:
        return vocabulary_of_symbols([str(symbol) for symbol in symbols[len(SPECIALS) :]], rows, f"{path}")
    if rows == ENGLISH_ROWS:
        notes.append(
            f"there is no {DICTIONARY_FILE} beside it: its {rows} rows are taken for the published English letters "
            "(give another dictionary with --vocabulary)"
        )
        return vocabulary_of_symbols(ENGLISH_SYMBOLS, rows, str(path))
    raise VocabularyError(
        f"{path}: the letters of its {rows} rows are not known: put fairseq's {DICTIONARY_FILE} beside it, or "
        "give it with --vocabulary"
    )
