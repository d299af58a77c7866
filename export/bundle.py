"""The folder the app opens: two graphs, a vocabulary, and bundle.json with all that is needed to use them. No torch.

BUNDLE/
  bundle.json      BundleCard
  vocab.json       token -> index
  features.onnx    waveform (batch, samples) f32 -> latents (batch, frames, channels) f32,
                   code_ids (batch, frames, groups) i64, code_probs (batch, frames, groups, entries) f32
  context.onnx     latents, time_mask (batch, frames) bool, frame_lengths (batch) i64
                   -> contexts (batch, frames, channels) f32, logits (batch, frames, tokens) f32
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.text.vocabulary import Vocabulary, VocabularyError

FORMAT_VERSION = 1
CARD_FILE = "bundle.json"
VOCABULARY_FILE = "vocab.json"
FEATURES_FILE = "features.onnx"
CONTEXT_FILE = "context.onnx"
BUNDLE_FILES = (CARD_FILE, VOCABULARY_FILE, FEATURES_FILE, CONTEXT_FILE)


class BundleError(ValueError):
    """A bundle that cannot be used. The message says what is wrong with which file, and the remedy."""


@dataclass(frozen=True)
class BundleCard:
    """bundle.json. Sizes in samples at `sample_rate` Hz."""

    name: str
    sample_rate: int = 16000
    stride_samples: int = 320
    receptive_field_samples: int = 400
    feature_norm: str = "layer"
    normalize_waveform: bool = False
    blank: int = 0
    separator: str = "|"
    channels: int = 0
    codebook_groups: int = 2
    codebook_entries: int = 320
    mask_prob: float = 0.65
    mask_length: int = 10
    mask_min_spans: int = 2
    weights: str = "fp32"
    parameters: int = 0
    codebook_trained: bool = True
    origin_run: str = ""
    weights_sha256: str = ""
    parity: dict[str, float] = field(default_factory=dict)
    language: str = "en"
    licence: str = ""
    description: str = ""
    opset: int = 0
    created: str = ""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: where it is, its card, its vocabulary. Graphs are loaded by whoever runs them."""

    folder: Path
    card: BundleCard
    vocabulary: Vocabulary

    @property
    def features_path(self) -> Path:
        """The graph from waveform to latents and codes."""
        return self.folder / FEATURES_FILE

    @property
    def context_path(self) -> Path:
        """The graph from latents to contexts and logits."""
        return self.folder / CONTEXT_FILE

    @property
    def stride_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.card.stride_samples / self.card.sample_rate


def weights_hash(folder: Path) -> str:
    """SHA-256 over both graphs."""
    digest = hashlib.sha256()
    for name in (FEATURES_FILE, CONTEXT_FILE):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def write_card(folder: Path, card: BundleCard) -> None:
    """Write bundle.json, whole or not at all."""
    part = folder / (CARD_FILE + ".tmp")
    part.write_text(json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / CARD_FILE)


def open_bundle(folder: Path) -> Bundle:
    """Read and check a bundle's small files. Raises BundleError."""
    if not folder.is_dir():
        raise BundleError(f"no bundle at {folder}: it must be a folder made by w2v-export")
    path = folder / CARD_FILE
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = values["format_version"]
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} has no {CARD_FILE}: it is not a bundle; export a checkpoint with w2v-export"
        ) from error
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise BundleError(f"{path} cannot be read ({error}); export the bundle again") from error
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise BundleError(
            f"{folder} has bundle format {version}, this program reads up to {FORMAT_VERSION}: update w2v studio"
        )
    known = {item.name for item in dataclasses.fields(BundleCard)}
    try:
        card = BundleCard(**{name: value for name, value in values.items() if name in known})
    except TypeError as error:
        raise BundleError(f"{path} is incomplete ({error}); export the bundle again") from error
    for name in (VOCABULARY_FILE, FEATURES_FILE, CONTEXT_FILE):
        if not (folder / name).is_file():
            raise BundleError(f"the bundle {folder} lacks {name}; export it again or copy the whole folder")
    try:
        table = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8"))
        tokens = tuple(sorted(table, key=lambda token: int(table[token])))
        vocabulary = Vocabulary(tokens, card.blank, card.separator)
    except (json.JSONDecodeError, VocabularyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / VOCABULARY_FILE} cannot be used ({error}); export the bundle again") from error
    return Bundle(folder, card, vocabulary)
