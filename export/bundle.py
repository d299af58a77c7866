"""The folder the app opens: two graphs, a vocabulary, and bundle.json with all that is needed to use them. No torch.

BUNDLE/
  bundle.json      BundleCard
  vocab.json       token -> index
  features.onnx    waveform (batch, samples) f32 -> latents (batch, frames, channels) f32,
                   code_ids (batch, frames, groups) i64, code_probs (batch, frames, groups, entries) f32
  context.onnx     latents, time_mask (batch, frames) bool, frame_lengths (batch) i64
                   -> contexts (batch, frames, channels) f32, logits (batch, frames, tokens) f32: of the letters of
                   vocab.json, and after them, where the card lists phones, of a blank of theirs and the phones
  decoding.json, lm.npz, lexicon.txt.gz  for decoding, where there are any (docs/library.md)
  trainable.pt     on request: what a checkpoint of the engine has beside the graphs' weights; the app never opens it
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.text.pronunciation import PHONE_BLANK, phone_vocabulary
from engine.text.vocabulary import Vocabulary
from export.constant_growth import MOST_FOLDED_BYTES as MOST_FOLDED_BYTES
from export.graph_check import check_graph
from export.graph_contract import Sizes, check_contract, context_contract, features_contract
from export.precisions import PrecisionTable, read_table

FORMAT_VERSION = 1
CARD_FILE = "bundle.json"
VOCABULARY_FILE = "vocab.json"
FEATURES_FILE = "features.onnx"
CONTEXT_FILE = "context.onnx"
BUNDLE_FILES = (CARD_FILE, VOCABULARY_FILE, FEATURES_FILE, CONTEXT_FILE)
DECODING_FILE = "decoding.json"
LANGUAGE_MODEL_FILES = ("lm.npz", "lm.bin", "lm.arpa.gz", "lm.arpa")

MOST_PHONES = 1000
LARGEST_TEXT_BYTES = 4_000_000
"""More than any card or vocabulary needs."""

KINDS = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (float, int),
    "dict[str, float]": (dict,),
    "list[str]": (list,),
} | {"PrecisionTable | None": (PrecisionTable, type(None))}
"""What JSON gives for a field of the card, by its annotation."""

RANGES = {
    "sample_rate": (16000, 16000),
    "stride_samples": (1, 16000),
    "receptive_field_samples": (1, 160_000),
    "channels": (1, 65536),
    "codebook_groups": (1, 64),
    "codebook_entries": (1, 65536),
    "mask_prob": (0.0, 1.0),
    "mask_length": (1, 10_000),
    "mask_min_spans": (0, 10_000),
}
"""Least and most of the card's numbers; the app reckons with them, so absurd ones are refused."""


Logits = NDArray[np.float32]


class BundleError(ValueError):
    """A bundle that cannot be used. The message says what is wrong with which file, and the remedy."""


@dataclass(frozen=True)
class BundleCard:
    """bundle.json. Sizes in samples at `sample_rate` Hz.

    `normalize_waveform`: the caller gives each utterance zero mean and unit variance (eps 1e-5) before features.onnx.
    `weights` fp16: stored in 16 bits, computed in 32; int8: the Transformer's products in 8 bits. `parameters` counts
    the weights behind both graphs. `codebook_trained` is False where no pre-training stands behind the codes: they are
    those of random weights. `parity` is the largest difference between ONNX Runtime and PyTorch for each output (with
    int8, before quantising); `code_ids` counts codes that differ; `fp16_rounding` is what the rounding of the weights
    changed in any output. `precisions` is the table that the export measured. `phones` are those that the logits tell
    beside the letters (engine/text/pronunciation.py), for decoding with a lexicon and a language model.
    """

    name: str
    sample_rate: int = 16000
    stride_samples: int = 320
    receptive_field_samples: int = 400
    feature_norm: str = "layer"
    normalize_waveform: bool = False
    blank: int = 0
    separator: str = "|"
    phones: list[str] = field(default_factory=list)
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
    precisions: PrecisionTable | None = None
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
    def phones(self) -> Vocabulary | None:
        """The tokens of the logits' columns behind those of the letters; None where there are none."""
        return phone_vocabulary(self.card.phones) if self.card.phones else None

    @property
    def tokens(self) -> int:
        """Columns of the logits."""
        return len(self.vocabulary) + (len(self.phones) if self.phones else 0)

    def letters(self, logits: Logits) -> Logits:
        """The letters' columns of logits (..., tokens)."""
        return logits[..., : len(self.vocabulary)]

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
    """Read and check a bundle without loading its graphs. Raises BundleError."""
    if not folder.is_dir():
        raise BundleError(f"no bundle at {folder}: it must be a folder made by w2v-export")
    card = _read_card(folder)
    for name in (VOCABULARY_FILE, FEATURES_FILE, CONTEXT_FILE):
        if not (folder / name).is_file():
            raise BundleError(f"the bundle {folder} lacks {name}; export it again or copy the whole folder")
    bundle = Bundle(folder, card, _read_vocabulary(folder / VOCABULARY_FILE, card))
    _check_graphs(bundle)
    return bundle


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_TEXT_BYTES:
        raise ValueError(f"it is larger than {LARGEST_TEXT_BYTES} bytes")
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")
    return values


def _read_card(folder: Path) -> BundleCard:
    path = folder / CARD_FILE
    try:
        values = _read_json(path)
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} has no {CARD_FILE}: it is not a bundle; export a checkpoint with w2v-export"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read ({error}); export the bundle again") from error
    version = values.get("format_version")
    if type(version) is not int or version < 1:
        raise BundleError(f"{path} has the format_version {version!r}, not a number from 1; export the bundle again")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{folder} has bundle format {version}, this program reads up to {FORMAT_VERSION}: update w2v studio"
        )
    known = {item.name for item in dataclasses.fields(BundleCard)}
    try:
        values["precisions"] = read_table(values.get("precisions"))
        card = BundleCard(**{name: value for name, value in values.items() if name in known})
        _check_card(card)
    except (TypeError, ValueError) as error:
        raise BundleError(f"{path} cannot be used ({error}); export the bundle again") from error
    return card


def _check_card(card: BundleCard) -> None:
    """Raise ValueError for a value of another kind than its default's, or an absurd one."""
    for item in dataclasses.fields(BundleCard):
        value = getattr(card, item.name)
        if type(value) not in KINDS[str(item.type)]:
            raise ValueError(f"{item.name} is {value!r}, which is not of the kind {item.type}")
    for name, (least, most) in RANGES.items():
        if not least <= getattr(card, name) <= most:
            raise ValueError(f"{name} is {getattr(card, name)}, which is not from {least} to {most}")
    names = {phone for phone in card.phones if isinstance(phone, str) and phone.strip() and phone != PHONE_BLANK}
    if len(names) != len(card.phones) or len(names) > MOST_PHONES:
        raise ValueError(f"phones are not different names, {MOST_PHONES} at most")
    if card.feature_norm not in ("layer", "group"):
        raise ValueError(f"feature_norm is {card.feature_norm!r}, not layer or group")


def _read_vocabulary(path: Path, card: BundleCard) -> Vocabulary:
    try:
        table = _read_json(path)
        tokens = tuple(sorted(table, key=lambda token: int(table[token])))
        if [table[token] for token in tokens] != list(range(len(tokens))):
            raise ValueError(f"its indices are not 0 to {len(tokens) - 1} without gaps")
        return Vocabulary(tokens, card.blank, card.separator)
    except (OSError, ValueError, TypeError, RecursionError) as error:  # VocabularyError is a ValueError
        raise BundleError(f"{path} cannot be used ({error}); export the bundle again") from error


def _check_graphs(bundle: Bundle) -> None:
    folder, card = bundle.folder, bundle.card
    sizes = Sizes(card.channels, card.codebook_groups, card.codebook_entries, bundle.tokens)
    for name, contract in ((FEATURES_FILE, features_contract(sizes)), (CONTEXT_FILE, context_contract(sizes))):
        path = folder / name
        try:
            form = check_graph(path)
        except (OSError, ValueError) as error:
            raise BundleError(
                f"{path} is not an ONNX graph that can be used ({error}); export it again or copy the whole folder"
            ) from error
        try:
            check_contract(form, contract)
        except ValueError as error:
            raise BundleError(f"{path} does not fit this bundle ({error}); export the bundle again") from error
