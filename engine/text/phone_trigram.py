"""How likely phones follow phones: a trigram over all of them, as one dense array. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

EDGE = 0
"""Stands before the first phone of a sentence and after its last: the place that the blank has in the head."""


def count_phones(sentences: Iterable[Sequence[int]], phones: int) -> NDArray[np.int32]:
    """How often phone c came after a, b: (1 + phones,) * 3. Phones count from 1, EDGE is the start and the end."""
    counts = np.zeros((1 + phones,) * 3, np.int32)
    for sentence in sentences:
        row = np.asarray([EDGE, EDGE, *sentence, EDGE])
        np.add.at(counts, (row[:-2], row[1:-1], row[2:]), 1)
    return counts


def phone_trigram(counts: NDArray[np.int32]) -> NDArray[np.float32]:
    """P[a, b, c] from `counts` of the same shape: the probability of phone c after a, b; each P[a, b] sums to 1.

    Witten and Bell's interpolation (1991, method C) with pairs, these with single phones, and these with all alike, so
    that every sentence has a probability above 0.
    """
    lower = np.full(len(counts), 1 / len(counts))
    for table in (counts.sum(axis=(0, 1)), counts.sum(axis=0), counts):
        kinds = np.count_nonzero(table, axis=-1)[..., None]
        seen = table.sum(axis=-1, keepdims=True)
        # What was never seen is left to the shorter history whole.
        share = np.divide(kinds, seen + kinds, out=np.ones(seen.shape), where=seen > 0)
        lower = (1 - share) * table / np.maximum(seen, 1) + share * lower
    return lower.astype(np.float32)
