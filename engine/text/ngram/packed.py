"""N-gram models in less than a third of the space of an ARPA file (.gz), and read sooner: arrays in one .npz file.

words                 UTF-8, a line each: <unk>, <s>, </s> and all others
2.counts              how many 2-grams begin with each 1-gram (1-grams,); so for each further length
2.steps, 2.leaps      their last words by number, rising behind each beginning: lower 8 bits and the others of how much
2.log_probs           codes of decimal logarithms (2-grams,), their values in 2.log_prob_values; 1.log_probs in full
2.backoffs            the same; the longest n-grams have none
marks                 numbers of the sentences that it was adapted to (adaptation.sentence_mark), if any

Codes are the quantiles of what they stand for: 256 values for each length, as in KenLM (Heafield 2011, "quantization").
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.backoff_model import BackoffModel

SUFFIX = ".npz"
PACKED_MODEL_FILE = "lm.npz"
"""Its name in a bundle, and in the folder of a run that has adapted one."""
FORMAT = 1
CODES = 256
MOST_BYTES = 2_000_000_000

T = TypeVar("T")


class PackedModelError(ValueError):
    """A file that is no such model, or a damaged one."""


@dataclass(frozen=True, eq=False)
class Level:
    """N-grams of one length in decimal logarithms, sorted by (`prefix`, `word`): row of their beginning, last word."""

    prefix: NDArray[np.int64]
    word: NDArray[np.int64]
    log_prob: NDArray[np.float32]
    backoff: NDArray[np.float32]


def write_packed(path: Path, model: BackoffModel, marks: Iterable[int] = ()) -> None:
    """Write `model`, whole or not at all, with `marks` of the sentences that it was adapted to."""
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "words": np.frombuffer("\n".join(model.words).encode(), np.uint8),
    }
    for length, grams in enumerate(model.grams, 1):
        if length == 1:
            arrays["1.log_probs"] = grams.log_prob.astype(np.float32)
            arrays["1.backoffs"] = grams.backoff.astype(np.float32)
            continue
        counts = np.bincount(grams.prefix, minlength=len(model.grams[length - 2]))
        steps = np.diff(grams.word, prepend=0)
        first = (counts.cumsum() - counts)[counts > 0]
        steps[first] = grams.word[first]
        arrays[f"{length}.counts"] = _small(counts)
        arrays[f"{length}.steps"], arrays[f"{length}.leaps"] = (steps & 255).astype(np.uint8), _small(steps >> 8)
        for name, values in (("log_prob", grams.log_prob), ("backoff", grams.backoff)):
            if name == "log_prob" or length < model.order:
                arrays[f"{length}.{name}s"], arrays[f"{length}.{name}_values"] = _coded(values)
    if kept := sorted(marks):
        arrays["marks"] = np.array(kept, np.int64)
    part = path.with_name(path.name + ".tmp")
    with part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    part.replace(path)


def read_packed(path: Path) -> tuple[list[str], list[Level]]:
    """The words, and the n-grams of each length. Raises PackedModelError, OSError."""
    return _read(path, _levels)


def read_marks(path: Path) -> set[int]:
    """Marks of the sentences that a model was adapted to. Raises PackedModelError, OSError."""
    return set(_read(path, lambda file: file["marks"].astype(np.int64).tolist() if "marks" in file else []))


def _read(path: Path, take: Callable[[Mapping[str, NDArray[Any]]], T]) -> T:
    """What `take` makes of the arrays of a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise PackedModelError(f"{path} would take {size / 1e9:.1f} GB")
        with np.load(path, allow_pickle=False) as file:
            return take(file)
    except (PackedModelError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and NumPy's reader of headers raise many kinds
        raise PackedModelError(f"{path} is no language model of w2v-engine build-lm, or a damaged one") from error


def _levels(file: Mapping[str, NDArray[Any]]) -> tuple[list[str], list[Level]]:
    if int(file["format"]) != FORMAT:
        raise PackedModelError(f"this language model is of format {int(file['format'])}: update w2v studio")
    words = bytes(file["words"]).decode("utf-8").split("\n")
    size = len(words)
    none = np.zeros(size, np.int64)
    levels = [Level(none, np.arange(size), _floats(file["1.log_probs"], size), _floats(file["1.backoffs"], size))]
    while f"{len(levels) + 1}.counts" in file:
        length = len(levels) + 1
        counts = file[f"{length}.counts"].astype(np.int64)
        # Before anything of that size is made.
        if int(counts.sum()) != len(file[f"{length}.steps"]) or len(counts) != len(levels[-1].word):
            raise PackedModelError("its n-grams do not fit together: it is damaged")
        prefix = np.arange(len(counts)).repeat(counts)
        steps = file[f"{length}.steps"] + (file[f"{length}.leaps"].astype(np.int64) << 8)
        total = steps.cumsum()
        first = (counts.cumsum() - counts)[counts > 0]
        # Steps begin anew behind each beginning.
        before = (total - steps)[first]
        word = total - before.repeat(counts[counts > 0])
        if len(word) != len(prefix) or (word >= size).any():
            raise PackedModelError("its n-grams do not fit together: it is damaged")
        values = {}
        for name in ("log_prob", "backoff"):
            codes = file.get(f"{length}.{name}s")
            decoded = np.zeros(len(word), np.float32) if codes is None else file[f"{length}.{name}_values"][codes]
            values[name] = _floats(decoded, len(word))
        levels.append(Level(prefix, word, values["log_prob"], values["backoff"]))
    return words, levels


def _floats(values: NDArray[Any], size: int) -> NDArray[np.float32]:
    result = values.astype(np.float32)
    if result.shape != (size,) or not np.isfinite(result).all():
        raise PackedModelError("its probabilities do not fit its n-grams: it is damaged")
    return result


def _small(values: NDArray[np.int64]) -> NDArray[Any]:
    """In the smallest type that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _coded(values: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Codes and what they stand for: means of equally many values; exactly 0 has its own, as it says "nothing more"."""
    table = np.zeros(CODES, np.float32)
    codes = np.zeros(len(values), np.uint8)
    others = (values != 0).nonzero()[0]
    others = others[values[others].argsort(kind="stable")]
    for code, part in enumerate(np.array_split(others, min(CODES - 1, max(1, len(others)))), 1):
        codes[part] = code
        table[code] = values[part].mean() if len(part) else 0.0
    return codes, table
