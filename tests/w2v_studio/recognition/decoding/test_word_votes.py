"""Votes on words, beside the edit distances of the texts, one by one."""

import numpy as np
import pytest

from w2v_studio.recognition.decoding.drawn_texts import NO_WORD
from w2v_studio.recognition.decoding.word_votes import PIECE, count_votes, words_beside


def distance(first, second):
    costs = [*range(len(second) + 1)]
    for place, word in enumerate(first, 1):
        row = [place]
        for column, other in enumerate(second, 1):
            row.append(min(costs[column] + 1, row[-1] + 1, costs[column - 1] + (word != other)))
        costs = row
    return costs[-1]


def table(texts):
    longest = max(map(len, texts), default=0)
    return np.array([[*text] + [NO_WORD] * (longest - len(text)) for text in texts], np.int32).reshape(len(texts), -1)


@pytest.mark.parametrize("seed", range(20))
def test_words_lie_beside_one_another_by_the_fewest_edits(seed):
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 4, rng.integers(0, 9)).tolist()
    texts = [rng.integers(0, 4, rng.integers(0, 9)).tolist() for _ in range(30)]
    for text, beside in zip(texts, words_beside(found, table(texts)), strict=True):
        # In the order of the text, and what is left over costs just what the distance says.
        laid = [word for word in beside.tolist() if word != NO_WORD]
        rest = iter(text)
        assert all(word in rest for word in laid)
        edits = sum(word != other for word, other in zip(found, beside, strict=True)) + len(text) - len(laid)
        assert edits == distance(found, text), (found, text, beside)


def test_votes_are_shares_of_the_texts():
    texts = np.array(
        [
            [-1, 1, -1, 2, -1, 3],
            [1, -1, -1, 2, 3, -1],
            [-1, 1, -1, 5, -1, 3],
            [-1, -1, 1, 6, 7, 3],
            [-1, -1, 1, -1, -1, 3],
            [1, 5, -1, -1, -1, 3],
        ],
        np.int32,
    )
    found = np.array([1, -1, -1, 2, -1, 3])
    one, two, three = count_votes(found, texts)
    assert (one.share, one.alternatives) == (1.0, ())
    assert two.share == pytest.approx(2 / 6)
    assert two.alternatives[0] == 5  # twice
    assert len(two.alternatives) == 2  # and 6 or 7, which stands in the place of one word
    assert three.share == 1.0


def test_no_words():
    nobody = np.full((3, 4), NO_WORD, np.int32)
    assert count_votes(nobody[0], nobody) == []
    assert count_votes(nobody[0, :0], nobody[:, :0]) == []
    (vote,) = count_votes(np.array([-1, 2, -1, -1]), nobody)
    assert (vote.share, vote.alternatives) == (0.0, ())


@pytest.mark.parametrize("count", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 517])
def test_long_texts_are_laid_beside_one_another_piece_by_piece(count):
    rng = np.random.default_rng(count)
    found = np.full(8 * count, NO_WORD, np.int32)
    found[3::8] = rng.integers(0, 50, count)
    # Texts whose words come a little sooner or later, some of them other ones.
    texts = np.full((20, len(found)), NO_WORD, np.int32)
    places = 3 + 8 * np.arange(count) + rng.integers(-2, 3, (20, count))
    said = np.where(rng.random((20, count)) < 0.2, 50 + rng.integers(0, 3, (20, count)), found[3::8])
    np.put_along_axis(texts, places, said, axis=1)
    votes = count_votes(found, texts)
    assert [vote.share for vote in votes] == pytest.approx((said == found[3::8]).mean(axis=0).tolist())
    assert all(set(vote.alternatives) <= {50, 51, 52} for vote in votes)
