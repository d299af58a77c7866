"""Votes on words, beside the edit distances of the texts, one by one."""

import numpy as np
import pytest

from w2v_studio.recognition.decoding.word_votes import NO_WORD, count_votes, words_beside


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
    one, two, three = count_votes([1, 2, 3], texts)
    assert (one.share, one.alternatives) == (1.0, ())
    assert two.share == pytest.approx(2 / 6)
    assert two.alternatives[0] == 5  # twice
    assert len(two.alternatives) == 2  # and 6 or 7, which stands in the place of one word
    assert three.share == 1.0


def test_no_words():
    assert count_votes([], np.full((3, 4), NO_WORD, np.int32)) == []
    (vote,) = count_votes([2], np.full((3, 4), NO_WORD, np.int32))
    assert (vote.share, vote.alternatives) == (0.0, ())
    (vote,) = count_votes([2], np.zeros((3, 0), np.int32))
    assert (vote.share, vote.alternatives) == (0.0, ())
