"""How often each sequence of words occurs, for all lengths up to an order, in flat arrays.

An n-gram of length k is a row: the row of its first k - 1 words in the table of that length (`prefix`), and its last
`word`. Rows are sorted by (prefix, word), so that a row is found by bisection. A word's row of length 1 is its number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.corpus import BEGIN

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counts:
    """All n-grams of one length, a row each.

    `suffix` is the row of the last k - 1 words among those of length k - 1; `count` how often it occurs; `adjusted` how
    many different words precede it (Kneser-Ney), which for the longest n-grams, and for those that begin a sentence, is
    `count`.
    """

    prefix: Rows
    word: Rows
    suffix: Rows
    count: Rows
    adjusted: Rows

    def __len__(self) -> int:
        return len(self.word)


def count_ngrams(stream: NDArray[np.int32], words: int, order: int) -> list[Counts]:
    """Tables of length 1 to `order` over a stream of sentences (engine.text.ngram.corpus)."""
    position = np.arange(len(stream))
    place = position - np.maximum.accumulate(np.where(stream == BEGIN, position, 0))  # in the sentence, <s> is 0
    number = np.arange(words)
    rows = stream.astype(np.int64)
    tables = [(np.zeros(words, np.int64), number, np.zeros(words, np.int64), np.bincount(stream, minlength=words))]
    begins = number == BEGIN
    starts = [begins]
    for length in range(2, order + 1):
        ends = position[place >= length - 1]
        keys = rows[ends - 1] * words + stream[ends]
        unique, first, inverse, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        prefix = unique // words
        tables.append((prefix, unique % words, rows[ends[first]], count))
        starts.append(starts[-1][prefix])
        rows = np.full(len(stream), -1, np.int64)
        rows[ends] = inverse
    result = []
    for length, (prefix, word, suffix, count) in enumerate(tables, 1):
        adjusted = count
        if length < order:
            preceding = np.bincount(tables[length][2], minlength=len(word))
            adjusted = np.where(starts[length - 1], count, preceding)
        result.append(Counts(prefix, word, suffix, count, adjusted))
    return result
