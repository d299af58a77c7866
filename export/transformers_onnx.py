"""A checkpoint as an ONNX folder that Optimum's ORTModelForCTC and transformers.js open as it is.

FOLDER/
  onnx/model.onnx            export/single_graph.py has its inputs and outputs
  config.json, preprocessor_config.json, vocab.json, tokenizer_config.json, special_tokens_map.json
  tokenizer.json             for transformers.js, which reads no vocab.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from engine.exchange.transformers_config import write_config, write_preprocessor
from engine.exchange.transformers_export import special_ids, special_tokens, tokenizer_config
from engine.model.ctc import CtcModel
from engine.text.vocabulary import Vocabulary
from engine.training.checkpoint import build_ctc_model, find_checkpoint, letters_alone, load_checkpoint
from export.graph import ExportError, fold, trace
from export.place import refuse_occupied, workplace
from export.single_graph import INPUT, MASK, OUTPUT, compose
from export.verify import TOLERANCE, cases

MODEL_FILE = "onnx/model.onnx"
FILES = (
    "onnx",
    "config.json",
    "preprocessor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
)


def publish_for_transformers(source: Path, out: Path, force: bool, say: Callable[[str], None]) -> float:
    """Write the folder of the checkpoint (or run) at `source`; the largest difference of a logit from PyTorch.

    Nothing appears at `out` before it is compared and complete. Raises ExportError, CheckpointError or OSError.
    """
    refuse_occupied(out, FILES, "config.json", force)
    path = find_checkpoint(source)
    say(f"reading {path}")
    checkpoint = letters_alone(load_checkpoint(path))
    model = build_ctc_model(checkpoint).eval()
    vocabulary = checkpoint.vocabulary
    assert vocabulary is not None  # build_ctc_model refuses checkpoints without one
    config = checkpoint.config
    masked = config.model.feature_norm == "layer"
    say("exporting the graph")
    graph = compose(
        *trace(fold(model), {}),
        stride=config.model.stride_samples,
        receptive_field=config.model.receptive_field_samples,
        masked=masked,
    )
    with workplace(out) as place:
        (place.folder / "onnx").mkdir()
        onnx.save(graph, place.folder / MODEL_FILE)
        say("comparing ONNX Runtime with PyTorch")
        difference = compare_whole(model, place.folder / MODEL_FILE, masked)
        texts = {
            "config.json": write_config(config, "ctc", special_ids(vocabulary), len(vocabulary)),
            "preprocessor_config.json": write_preprocessor(config, "ctc"),
            "special_tokens_map.json": {role: token for role, token in special_tokens(vocabulary).items() if token},
            "tokenizer_config.json": tokenizer_config(vocabulary, special_tokens(vocabulary)),
            "tokenizer.json": tokenizer_table(vocabulary),
        }
        for name, values in texts.items():
            _write_json(place.folder / name, values)
        vocabulary.save(place.folder / "vocab.json")
        place.move_into_place()
    return difference


def compare_whole(model: CtcModel, path: Path, masked: bool) -> float:
    """Largest difference of valid logits from `model` over the exporter's cases. Raises ExportError beyond 1e-4."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    config = model.backbone.config
    largest = 0.0
    for case in cases(model):
        samples = (case.frame_lengths - 1) * config.stride_samples + config.receptive_field_samples
        waveform = case.waveform
        if not masked:
            samples = np.full(len(waveform), waveform.shape[1])
        lengths = torch.from_numpy(samples)
        with torch.inference_mode():
            expected, frames = model(torch.from_numpy(waveform), lengths)
            normalized = model.backbone.normalize(torch.from_numpy(waveform), lengths).numpy()
        feed = {INPUT: normalized}
        if masked:
            feed[MASK] = (np.arange(waveform.shape[1])[None] < samples[:, None]).astype(np.int64)
        found = session.run([OUTPUT], feed)[0]
        valid = np.arange(found.shape[1])[None] < frames.numpy()[:, None]
        difference = float(np.abs(found - expected.numpy())[valid].max())
        if not difference <= TOLERANCE:
            raise ExportError(f"logits of the ONNX graph differ from PyTorch by {difference:.2g} at {case}")
        largest = max(largest, difference)
    return largest


def tokenizer_table(vocabulary: Vocabulary) -> dict[str, Any]:
    """tokenizer.json: letters one by one, spaces as separators, CTC's merging on the way back."""
    roles = {token for token in special_tokens(vocabulary).values() if token}
    specials = {token: place for place, token in enumerate(vocabulary.tokens) if token in roles}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    blank = vocabulary.tokens[vocabulary.blank]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        # The blank is not special: those are dropped before repeats are merged, and LL would become L.
        "added_tokens": [
            {"id": place, "content": token, **flags, "special": token != blank} for token, place in specials.items()
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": vocabulary.separator},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {
            "type": "CTC",
            "pad_token": blank,
            "word_delimiter_token": vocabulary.separator,
            # Only with it do readers put spaces for separators; the English it tidies besides needs letters " " or ".".
            "cleanup": True,
        },
        "model": {
            "type": "WordLevel",
            "vocab": {token: place for place, token in enumerate(vocabulary.tokens)},
            "unk_token": special_tokens(vocabulary)["unk_token"] or blank,
        },
    }


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
