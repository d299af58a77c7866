"""Forced alignment against torchaudio's, and against all paths there are."""

import itertools

import numpy as np
import pytest

from engine.text.alignment import AlignmentError, align_tokens, align_words, alignment_score, least_frames
from engine.text.ctc import log_softmax
from engine.text.vocabulary import Vocabulary, VocabularyError


def random_log_probs(seed: int, frames: int, tokens: int) -> np.ndarray:
    return log_softmax(np.random.default_rng(seed).normal(size=(frames, tokens)).astype(np.float32) * 3)


def collapsed(path, blank):
    return [token for token, _ in itertools.groupby(path) if token != blank]


@pytest.mark.parametrize(("frames", "letters"), [(40, 12), (120, 50), (9, 9), (200, 1)])
def test_paths_and_scores_are_those_of_torchaudio(frames, letters):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchaudio.functional")
    for seed in range(5):
        log_probs = random_log_probs(seed, frames, 8)
        tokens = np.random.default_rng(seed + 100).integers(1, 8, letters).tolist()
        if least_frames(tokens) > frames:
            tokens = [1 + place % 7 for place in range(letters)]
        path, scores = functional.forced_align(torch.from_numpy(log_probs)[None], torch.tensor([tokens]), blank=0)
        found = align_tokens(log_probs, tokens, 0)
        assert found.tolist() == path[0].tolist()
        assert alignment_score(log_probs, tokens, 0) == pytest.approx(float(scores.sum()), abs=1e-3)


def test_the_path_is_the_best_of_all():
    for seed in range(6):
        log_probs = random_log_probs(seed, 6, 3)
        for tokens in ([], [1], [2, 2], [1, 2, 1]):
            paths = [path for path in itertools.product(range(3), repeat=6) if collapsed(path, 0) == tokens]
            best = max(paths, key=lambda path: log_probs[np.arange(6), path].sum())
            assert align_tokens(log_probs, tokens, 0).tolist() == list(best)


def test_words_get_their_times_and_unknown_letters_are_named():
    vocabulary = Vocabulary.english()
    letters = "--HH-I--|-THE-RR-E|"
    indices = [0 if letter == "-" else vocabulary.tokens.index(letter) for letter in letters]
    logits = np.zeros((len(letters), len(vocabulary)), np.float32)
    logits[np.arange(len(letters)), indices] = 8
    words = align_words(logits, ["HI", "THERE"], vocabulary, 0.02, 1.0)
    assert [(word.word, word.start_s, word.end_s) for word in words] == [("HI", 1.04, 1.12), ("THERE", 1.2, 1.36)]
    assert all(word.confidence > 0.5 for word in words)
    # Also a text that was not heard has its most likely places.
    assert [word.word for word in align_words(logits, ["HIT", "HER"], vocabulary)] == ["HIT", "HER"]
    with pytest.raises(VocabularyError, match="3"):
        align_words(logits, ["3"], vocabulary)
    with pytest.raises(AlignmentError, match="needs 23 frames"):
        align_words(logits, ["A" * 12], vocabulary)


def test_no_frames():
    assert align_tokens(np.zeros((0, 4), np.float32), [], 0).tolist() == []
    assert alignment_score(np.zeros((0, 4), np.float32), [1], 0) == -np.inf
