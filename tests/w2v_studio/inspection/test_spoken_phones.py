"""Phones of words, against every path there is."""

import itertools

import numpy as np
import pytest

from engine.text.ctc import Word
from engine.text.pronunciation import phone_vocabulary
from w2v_studio.inspection.spoken_phones import spoken_phones

PHONES = phone_vocabulary(("AH", "T", "S"))
WAYS = {"UT": [[1, 2], [1, 3]], "TUT": [[2, 1, 2]], "T'T": [[2, 2]]}


def ways(word):
    return WAYS.get(word, [])


def best_path(log_probs, word):
    """The likeliest of all paths that say a word, by looking at each."""
    said = [
        path
        for path in itertools.product(range(4), repeat=len(log_probs))
        if [token for token, _ in itertools.groupby(path) if token] in WAYS[word]
    ]
    return max(said, key=lambda path: log_probs[range(len(path)), path].sum())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("word", WAYS)
def test_each_phone_is_where_the_network_heard_it_best(seed, word):
    logits = np.random.default_rng(seed).normal(0, 2, (12, 4)).astype(np.float32)
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    found = spoken_phones([Word(word, 0.06, 0.18, 1.0)], ways, logits, PHONES, 0.02)
    path = best_path(log_probs[3:9], word)
    place = 3
    wanted = []
    for token, run in itertools.groupby(path):
        length = len([*run])
        if token:
            rows = log_probs[place : place + length]
            surest = rows[rows[:, token].argmax()]
            likeliest = max((1, 2, 3), key=surest.__getitem__)
            others = () if likeliest == token else (PHONES.tokens[likeliest],)
            wanted.append((PHONES.tokens[token], place, place + length, np.exp(surest[token]), others))
        place += length
    assert [
        (one.word, round(one.start_s / 0.02), round(one.end_s / 0.02), one.confidence, one.alternatives)
        for one in found
    ] == [(name, start, end, pytest.approx(sure, rel=1e-5), others) for name, start, end, sure, others in wanted]


def test_words_that_cannot_be_said_there_have_none():
    logits = np.zeros((5, 4), np.float32)
    short, unknown = Word("TUT", 0.0, 0.04, 1.0), Word("WHAT", 0.0, 0.1, 1.0)
    assert spoken_phones([short, unknown], ways, logits, PHONES, 0.02) == []
    assert spoken_phones([Word("UT", 0.2, 0.3, 1.0)], ways, logits, PHONES, 0.02) == []  # behind the end
