"""Whether confidences tell right words from wrong ones, and mean what they say; the temperature that makes them.

Judged on recordings kept out of training, whose words are known: a word is right where the cheapest edits from the
reference leave it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.settings import DecodingError

BINS = 10
TEMPERATURES = np.geomspace(0.05, 5, 93)
LEAST_WORDS = 30
"""Fewer words, or none of them wrong, say nothing about a temperature."""
SURE = 1e-4
"""Confidences nearer to 0 and 1 count as this far from them, as a logarithm of 0 would outweigh all else."""


@dataclass(frozen=True)
class Quality:
    """`auroc` 0.5 (chance) to 1: how often a right word is surer than a wrong one. `nce` normalised cross-entropy, 1 at

    best, below 0 where the mere share of right words says more. `ece` expected calibration error: how far confidences
    are from the share of right words, over ten bins. `words` and how many of them are `right`.
    """

    auroc: float
    nce: float
    ece: float
    words: int
    right: int


def right_words(reference: Sequence[str], found: Sequence[str]) -> list[bool]:
    """For each found word whether it is right, by the cheapest edits (Levenshtein)."""
    rows, columns = len(reference) + 1, len(found) + 1
    cost = np.zeros((rows, columns), np.int64)
    cost[:, 0], cost[0] = np.arange(rows), np.arange(columns)
    for row in range(1, rows):
        for column in range(1, columns):
            differ = reference[row - 1] != found[column - 1]
            cost[row, column] = min(
                cost[row - 1, column - 1] + differ, cost[row - 1, column] + 1, cost[row, column - 1] + 1
            )
    right = [False] * len(found)
    row, column = rows - 1, columns - 1
    while row and column:
        differ = reference[row - 1] != found[column - 1]
        if cost[row, column] == cost[row - 1, column - 1] + differ:
            right[column - 1] = not differ
            row, column = row - 1, column - 1
        elif cost[row, column] == cost[row - 1, column] + 1:
            row -= 1
        else:
            column -= 1
    return right


def judge(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> Quality:
    """How good confidences (words,) are. Measures that need both right and wrong words are not a number without."""
    words, hits = len(right), int(right.sum())
    both = 0 < hits < words
    base = -(hits * np.log(hits / words) + (words - hits) * np.log(1 - hits / words)) if both else np.nan
    return Quality(
        auroc=_auroc(confidences, right) if both else np.nan,
        nce=float(1 - cross_entropy(confidences, right) * words / base) if both else np.nan,
        ece=_calibration_error(confidences, right) if words else np.nan,
        words=words,
        right=hits,
    )


def cross_entropy(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean surprise (natural logarithm) of confidences at what is right."""
    sure = np.clip(confidences, SURE, 1 - SURE)
    return float(-np.log(np.where(right, sure, 1 - sure)).mean())


def fit_temperature(
    logits: Sequence[NDArray[np.float32]],
    references: Sequence[str],
    vocabulary: Vocabulary,
    paths: Sequence[NDArray[np.intp]] | None = None,
) -> float:
    """The temperature whose words' confidences surprise least. `logits` (frames, tokens) of each recording.

    `paths` (frames,) spell the words that a decoder made of them; without, those of the greedy one. Raises
    DecodingError where the recordings cannot tell.
    """
    paths = [rows.argmax(axis=-1) for rows in logits] if paths is None else paths
    right = np.array(
        [
            is_right
            for path, rows, reference in zip(paths, logits, references, strict=True)
            for is_right in right_words(
                reference.split(), [word.word for word in words_of_path(path, rows, vocabulary)]
            )
        ]
    )
    if len(right) < LEAST_WORDS or right.all() or not right.any():
        raise DecodingError(
            f"{len(right)} words, {int(right.sum())} of them right, say nothing about confidence: give at least "
            f"{LEAST_WORDS}, kept out of training, of which the model gets some wrong"
        )

    def surprise(temperature: float) -> float:
        return cross_entropy(path_confidences(paths, logits, vocabulary, temperature), right)

    return float(min(TEMPERATURES, key=surprise))


def path_confidences(
    paths: Sequence[NDArray[np.intp]],
    logits: Sequence[NDArray[np.float32]],
    vocabulary: Vocabulary,
    temperature: float,
) -> NDArray[np.float64]:
    """Confidences of all recordings' words, one behind the other."""
    return np.array(
        [
            word.confidence
            for path, rows in zip(paths, logits, strict=True)
            for word in words_of_path(path, rows, vocabulary, temperature=temperature)
        ]
    )


def greedy_confidences(
    logits: Sequence[NDArray[np.float32]], vocabulary: Vocabulary, temperature: float
) -> NDArray[np.float64]:
    """Confidences of all recordings' greedy words, one behind the other."""
    return path_confidences([rows.argmax(axis=-1) for rows in logits], logits, vocabulary, temperature)


def _auroc(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Share of pairs of a right and a wrong word in which the right one is surer; equal ones count half."""
    order = np.sort(confidences)
    ranks = (order.searchsorted(confidences, "left") + order.searchsorted(confidences, "right") + 1) / 2
    hits = int(right.sum())
    return float((ranks[right].sum() - hits * (hits + 1) / 2) / (hits * (len(right) - hits)))


def _calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    place = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(place, confidences, BINS) - np.bincount(place, right, BINS)
    return float(np.abs(gap).sum() / len(right))
