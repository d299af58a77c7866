"""Whether confidences tell right words from wrong ones, and mean what they say; and what makes them mean it.

Judged on recordings kept out of training, whose words are known: a word is right where the cheapest edits from the
reference leave it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import decode_words
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.settings import DecodingError

BINS = 10
TEMPERATURES = np.geomspace(0.05, 5, 93)
NEWTON_STEPS = 25
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


def fit_temperature(logits: Sequence[NDArray[np.float32]], references: Sequence[str], vocabulary: Vocabulary) -> float:
    """The temperature whose greedy words' confidences surprise least. `logits` (frames, tokens) of each recording.

    Raises DecodingError where the recordings cannot tell.
    """
    pairs = list(zip(logits, references, strict=True))
    right = np.array(
        [
            is_right
            for rows, reference in pairs
            for is_right in right_words(reference.split(), [word.word for word in decode_words(rows, vocabulary)])
        ]
    )
    if len(right) < LEAST_WORDS or right.all() or not right.any():
        raise DecodingError(
            f"{len(right)} words, {int(right.sum())} of them right, say nothing about confidence: give at least "
            f"{LEAST_WORDS}, kept out of training, of which the model gets some wrong"
        )

    def surprise(temperature: float) -> float:
        return cross_entropy(greedy_confidences(logits, vocabulary, temperature), right)

    return float(min(TEMPERATURES, key=surprise))


def greedy_confidences(
    logits: Sequence[NDArray[np.float32]], vocabulary: Vocabulary, temperature: float
) -> NDArray[np.float64]:
    """Confidences of all recordings' greedy words, one behind the other."""
    return np.array(
        [word.confidence for rows in logits for word in decode_words(rows, vocabulary, temperature=temperature)]
    )


def platt(evidence: NDArray[np.float64], slopes: Sequence[float], offset: float) -> NDArray[np.float64]:
    """Probabilities of being right, of `evidence` (words, kinds), each kind with its slope."""
    result: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(evidence @ np.array(slopes) + offset, -30, 30)))
    return result


def fit_platt(evidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[list[float], float]:
    """(slopes, offset) that make `right` (words,) the likeliest: logistic regression on `evidence` (words, kinds), by

    Newton's method. A kind that is alike for all words, or speaks the less for a word the more there is of it, gets a
    slope of 0. Raises DecodingError where the words cannot tell: too few, all alike, or no surer when they are right.
    """
    if len(right) < LEAST_WORDS or right.all() or not right.any():
        raise DecodingError(
            f"{len(right)} words, {int(right.sum())} of them right, say nothing about confidence: give at least "
            f"{LEAST_WORDS}, kept out of training, of which the model gets some wrong"
        )
    useful = (np.ptp(evidence, axis=0) > 0).nonzero()[0]
    while len(useful):
        weights = _logistic_regression(evidence[:, useful], right)
        if (weights[:-1] > 0).all():
            slopes = np.zeros(evidence.shape[1])
            slopes[useful] = weights[:-1]
            return slopes.tolist(), float(weights[-1])
        useful = np.delete(useful, weights[:-1].argmin())
    raise DecodingError("the words that are right sound no better than the others: confidence would say nothing")


def _logistic_regression(evidence: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A weight for each column of `evidence`, and one for all."""
    columns = np.concatenate((evidence.T, np.ones((1, len(evidence)))))
    weights = np.zeros(len(columns))
    for _ in range(NEWTON_STEPS):
        sure = platt(evidence, weights[:-1].tolist(), float(weights[-1]))
        # A little of the identity keeps the step finite where the words are told apart without a mistake.
        curvature = (columns * (sure * (1 - sure))) @ columns.T + 1e-3 * np.eye(len(columns))
        weights = weights + np.linalg.solve(curvature, columns @ (right - sure) - 1e-3 * weights)
    return weights


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
