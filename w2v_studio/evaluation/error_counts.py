"""Word and character error rates of a set of utterances, with intervals by bootstrap over utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.error_rate import edit_distance
from w2v_studio.evaluation.word_alignment import align

DRAWS = 1000
Interval = tuple[float, float]


@dataclass(frozen=True)
class Utterance:
    """A text against its reference."""

    name: str
    reference: str
    hypothesis: str
    substitutions: int
    insertions: int
    deletions: int
    character_errors: int

    @property
    def words(self) -> int:
        """Words of the reference."""
        return len(self.reference.split())

    @property
    def characters(self) -> int:
        """Characters of the reference, the spaces between words included."""
        return len(" ".join(self.reference.split()))

    @property
    def word_errors(self) -> int:
        """All three kinds."""
        return self.substitutions + self.insertions + self.deletions


@dataclass(frozen=True)
class ErrorRates:
    """Over all utterances; intervals hold 95 of 100 bootstrap draws. Rates exceed 1 where insertions abound."""

    utterances: int
    words: int
    substitutions: int
    insertions: int
    deletions: int
    wer: float
    wer_95: Interval
    cer: float
    cer_95: Interval


def compare(name: str, reference: str, hypothesis: str) -> Utterance:
    """Count the errors of a text."""
    wanted, found = reference.split(), hypothesis.split()
    substitutions = insertions = deletions = 0
    for place, column in align(wanted, found):
        if place is None:
            insertions += 1
        elif column is None:
            deletions += 1
        else:
            substitutions += wanted[place] != found[column]
    characters = edit_distance(" ".join(wanted), " ".join(found))
    return Utterance(name, reference, hypothesis, substitutions, insertions, deletions, characters)


def error_rates(utterances: Sequence[Utterance], seed: int = 0) -> ErrorRates:
    """Rates of at least one utterance."""
    word_errors = np.array([utterance.word_errors for utterance in utterances])
    words = np.array([utterance.words for utterance in utterances])
    character_errors = np.array([utterance.character_errors for utterance in utterances])
    characters = np.array([utterance.characters for utterance in utterances])
    picks = _draws(len(utterances), seed)
    return ErrorRates(
        len(utterances),
        int(words.sum()),
        sum(utterance.substitutions for utterance in utterances),
        sum(utterance.insertions for utterance in utterances),
        sum(utterance.deletions for utterance in utterances),
        float(word_errors.sum() / words.sum()),
        _interval(word_errors[picks].sum(axis=1) / words[picks].sum(axis=1)),
        float(character_errors.sum() / characters.sum()),
        _interval(character_errors[picks].sum(axis=1) / characters[picks].sum(axis=1)),
    )


def wer_ratio(utterances: Sequence[Utterance], others: Sequence[Utterance], seed: int = 0) -> tuple[float, Interval]:
    """WER of `utterances` over that of `others`, the same recordings in the same order; nan where both have none."""
    ours = np.array([utterance.word_errors for utterance in utterances], float)
    theirs = np.array([utterance.word_errors for utterance in others], float)
    picks = _draws(len(utterances), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = ours[picks].sum(axis=1) / theirs[picks].sum(axis=1)
        ratio = float(ours.sum() / theirs.sum())
    finite = drawn[np.isfinite(drawn)]
    return ratio, _interval(finite) if len(finite) else (float("nan"), float("nan"))


def _draws(count: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(count, size=(DRAWS, count))


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
