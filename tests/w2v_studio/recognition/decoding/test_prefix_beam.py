"""Beam search against the sums over all paths."""

import itertools
from collections import defaultdict

import numpy as np

from engine.text.ctc import decode_words, log_softmax, text_of
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE, emissions
from w2v_studio.recognition.decoding.prefix_beam import BeamDecoder, search_prefixes

SMALL = Vocabulary(("<pad>", "|", "A", "B"))


def unsure(seed: int, frames: int, tokens: int, spread: float = 2.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(frames, tokens)) * spread).astype(np.float32)


def best_of_all(log_probs: np.ndarray, vocabulary: Vocabulary) -> str:
    """The words with the largest sum over their paths."""
    frames, tokens = log_probs.shape
    sums: dict[str, float] = defaultdict(float)
    for path in itertools.product(range(tokens), repeat=frames):
        text = vocabulary.decode([token for token, _ in itertools.groupby(path) if token != 0])
        sums[text] += float(np.exp(log_probs[np.arange(frames), path].sum()))
    return max(sums, key=sums.__getitem__)


def test_the_words_have_the_largest_sum_over_paths():
    differ = 0
    for seed in range(30):
        log_probs = log_softmax(unsure(seed, 6, 4, 1.0))
        wanted = best_of_all(log_probs, SMALL)
        assert SMALL.decode(search_prefixes(log_probs, 0, 1, 500, threshold=1e9)) == wanted
        differ += text_of(decode_words(log_probs, SMALL)) != wanted
    assert differ > 5  # the best path alone would not do


def test_a_narrow_beam_finds_most_of_it():
    logits = [unsure(seed, 60, 32) for seed in range(6)]
    wide, narrow = (BeamDecoder(Vocabulary.english(), 0.02, 0.5, width) for width in (200, 32))
    found = [text_of(wide.decode(each)) == text_of(narrow.decode(each)) for each in logits]
    assert sum(found) >= 4


def test_sure_logits_give_the_greedy_words_with_their_times():
    vocabulary = Vocabulary.english()
    letters = "----HH-EL-LLOO---|----------DD-AYY|--"
    logits = np.zeros((len(letters), 32), np.float32)
    logits[range(len(letters)), [0 if letter == "-" else vocabulary.tokens.index(letter) for letter in letters]] = 12
    words = BeamDecoder(vocabulary, 0.02, 0.5, 16).decode(logits, first_frame=100)
    assert words == decode_words(logits, vocabulary, 0.02, 2.0, 0.5)
    assert [word.word for word in words] == ["HELLO", "DAY"]


def test_bad_input_gives_words_or_none_but_no_crash():
    decoder = BeamDecoder(Vocabulary.english(), 0.02, 0.5, 8)
    assert decoder.decode(np.zeros((0, 32), np.float32)) == []
    silence = np.zeros((40, 32), np.float32)
    silence[:, 0] = 20
    assert decoder.decode(silence) == []
    assert decoder.decode(silence[:1]) == []
    broken = unsure(1, 30, 32)
    broken[3], broken[4, 2], broken[5] = np.nan, np.inf, -np.inf
    assert isinstance(decoder.decode(broken), list)


def test_of_sure_blanks_one_stays_between_equal_letters():
    logits = np.full((12, 4), -9, np.float32)
    logits[:, 0] = 9
    logits[2, [0, 2]] = logits[9, [0, 2]] = -9, 9
    given = emissions(logits, SMALL)
    assert given.kept.tolist() == [0, 2, 3, 9, 10]
    assert (given.scores[1] > IMPOSSIBLE).sum() == 1
    assert search_prefixes(given.scores, 0, 1, 8) == [2, 2]
    assert given.whole_path(np.array([0, 2, 0, 2, 0]), 0).tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0, 2, 0, 0]
