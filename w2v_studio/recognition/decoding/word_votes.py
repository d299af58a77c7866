"""How many of the texts that may have been said have a word, and what others have in its place.

Each text is laid beside the one that was found by the fewest edits (Levenshtein), all texts at once, long ones piece by
piece, so that time and memory grow with their length alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.decoding.drawn_texts import NO_WORD

MOST_ALTERNATIVES = 5
"""So many words are told at most that a word may be instead."""
PIECE = 40
"""Found words that are laid beside the texts at once."""


@dataclass(frozen=True)
class Vote:
    """The `share` of the texts, 0 to 1, that have a word where it was found; `alternatives` are those of others, the

    most frequent first.
    """

    share: float
    alternatives: tuple[int, ...]


def count_votes(found: NDArray[np.integer], texts: NDArray[np.int32]) -> list[Vote]:
    """A vote on each word of `found` (places,) by the words of `texts` (texts, places), NO_WORD where there is none.

    A place is a moment in time, the same for all.
    """
    places = (found != NO_WORD).nonzero()[0]
    # Between two pieces, half way from the last word of one to the first of the next.
    cuts = (places[PIECE - 1 : -1 : PIECE] + places[PIECE::PIECE]) // 2 + 1
    pieces = zip([0, *cuts], [*cuts, len(found)], strict=True)
    return [vote for start, end in pieces for vote in _votes(found[start:end], texts[:, start:end])]


def _votes(found: NDArray[np.integer], texts: NDArray[np.int32]) -> list[Vote]:
    words = found[found != NO_WORD].tolist()
    beside = words_beside(words, _packed(texts))
    votes = []
    for word, column in zip(words, beside.T, strict=True):
        names, counts = np.unique(column[column != NO_WORD], return_counts=True)
        order = np.lexsort((names, -counts))
        alternatives = [int(name) for name in names[order] if name != word]
        votes.append(Vote(float((column == word).mean()), tuple(alternatives[:MOST_ALTERNATIVES])))
    return votes


def words_beside(found: Sequence[int], texts: NDArray[np.int32]) -> NDArray[np.int32]:
    """The word of each text beside each word of `found`, or NO_WORD where it has none: (texts, found).

    `texts` (texts, words) have their words in front and NO_WORD behind them.
    """
    count, longest = texts.shape
    lengths = (texts != NO_WORD).sum(axis=1)
    columns = np.arange(longest + 1)
    costs = [np.broadcast_to(columns, (count, longest + 1))]
    for word in found:
        row = costs[-1] + 1
        row[:, 1:] = np.minimum(row[:, 1:], costs[-1][:, :-1] + (texts != word))
        # Words that a text has besides cost one each: the least of all places before, and as many as lie between.
        costs.append(np.minimum.accumulate(row - columns, axis=1) + columns)
    beside = np.full((count, len(found)), NO_WORD, np.int32)
    rows, column = np.arange(count), lengths.copy()
    for place in range(len(found), 0, -1):
        above, row = costs[place - 1], costs[place]
        while True:
            # Words besides the found ones are passed where no other edit leads here.
            before = np.maximum(column - 1, 0)
            differs = texts[rows, before] != found[place - 1] if longest else np.ones(count, bool)
            is_beside = (column > 0) & (row[rows, column] == above[rows, before] + differs)
            is_missing = row[rows, column] == above[rows, column] + 1
            is_besides = ~is_beside & ~is_missing
            if not is_besides.any():
                break
            column = column - is_besides
        beside[is_beside, place - 1] = texts[rows, before][is_beside] if longest else NO_WORD
        column = column - is_beside
    return beside


def _packed(texts: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same words with none between them."""
    is_word = texts != NO_WORD
    packed = np.full((len(texts), int(is_word.sum(axis=1).max(initial=0))), NO_WORD, np.int32)
    packed[is_word.nonzero()[0], (is_word.cumsum(axis=1) - 1)[is_word]] = texts[is_word]
    return packed
