"""Which phones follow which: Witten and Bell's interpolation, counted by hand."""

import itertools
import math

import numpy as np
import pytest

from engine.text.phone_trigram import count_phones, phone_trigram

SENTENCES = [[1, 2, 1], [1, 2], [2]]


def log_probability(trigram: np.ndarray, sentence: list[int]) -> float:
    """Of the whole sentence, its end with it; nats."""
    row = np.asarray([0, 0, *sentence, 0])
    return float(np.log(trigram[row[:-2], row[1:-1], row[2:]]).sum())


def test_probabilities_are_those_counted_by_hand() -> None:
    trigram = phone_trigram(count_phones(SENTENCES, 3))
    # All that comes: 1 three times, 2 three times, the end three times; 3 never. Three kinds.
    single = [(3 + 3 / 4) / 12, (3 + 3 / 4) / 12, (3 + 3 / 4) / 12, (3 / 4) / 12]
    assert sum(single) == pytest.approx(1)
    # After 2: once 1, twice the end. Two kinds.
    pair = [(seen + 2 * share) / 5 for seen, share in zip((2, 1, 0, 0), single, strict=True)]
    # After 1, 2: once 1, once the end.
    wanted = [(seen + 2 * share) / 4 for seen, share in zip((1, 1, 0, 0), pair, strict=True)]
    assert trigram[1, 2] == pytest.approx(wanted)
    # After 3, 2 nothing was seen: what follows 2.
    assert trigram[3, 2] == pytest.approx(pair)
    # After 3 nothing was seen at all.
    assert trigram[1, 3] == pytest.approx(single)


def test_every_sentence_has_a_probability_and_they_sum_to_one() -> None:
    trigram = phone_trigram(count_phones(SENTENCES, 3))
    assert trigram.shape == (4, 4, 4)
    assert trigram.sum(axis=-1) == pytest.approx(np.ones((4, 4)))
    sentences = [list(row) for length in range(9) for row in itertools.product((1, 2, 3), repeat=length)]
    total = sum(math.exp(log_probability(trigram, sentence)) for sentence in sentences)
    assert 0.95 < total < 1
    assert all(log_probability(trigram, sentence) > -60 for sentence in sentences)


def test_without_sentences_all_are_alike() -> None:
    assert phone_trigram(count_phones([], 3)) == pytest.approx(np.full((4, 4, 4), 0.25))
