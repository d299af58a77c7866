"""Leaving out the n-grams that a model misses least (Stolcke 1998, "Entropy-based pruning of backoff language models").

An n-gram goes if doing without it, and reckoning its history's backoff anew, raises the perplexity by less than a given
share. How often the history occurs is taken from the counts: Kneser-Ney's lower orders say something else (Chelba and
others 2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.counts import Counts
from engine.text.ngram.kneser_ney import Estimate, Values

TINY = 1e-300


def prune(counts: list[Counts], estimates: list[Estimate], share: float) -> list[Estimate]:
    """`estimates` with fewer kept: without those whose loss raises the perplexity by less than `share` (1e-8)."""
    kept = [found.kept.copy() for found in estimates]
    tokens = float(counts[0].count.sum())
    for length in range(len(counts), 1, -1):
        table, found, shorter = counts[length - 1], estimates[length - 1], estimates[length - 2]
        rows = kept[length - 1].nonzero()[0]
        loss = _losses(table, found.prob, shorter.prob, rows, counts[length - 2].count / tokens)
        goes = np.expm1(loss) < share
        if length < len(counts):
            # What a longer n-gram begins with must stay.
            needed = np.zeros(len(table), np.bool_)
            needed[counts[length].prefix[kept[length]]] = True
            goes &= ~needed[rows]
        kept[length - 1][rows[goes]] = False
    return _with_backoffs(counts, estimates, kept)


def _losses(table: Counts, prob: Values, lower: Values, rows: NDArray[np.int64], frequency: Values) -> Values:
    """Relative entropy between the model with and without each of `rows`, natural logarithm."""
    history, mine = table.prefix[rows], prob[rows]
    below = lower[table.suffix[rows]]
    free = 1 - np.bincount(history, mine, len(lower))
    free_below = 1 - np.bincount(history, below, len(lower))
    before = np.log(np.maximum(free, TINY)) - np.log(np.maximum(free_below, TINY))
    after = np.log(np.maximum(free[history] + mine, TINY)) - np.log(np.maximum(free_below[history] + below, TINY))
    own = mine * (np.log(below) + after - np.log(mine))
    others = np.maximum(free, 0)[history] * (after - before[history])
    result: Values = -frequency[history] * (own + others)
    return result


def _with_backoffs(counts: list[Counts], estimates: list[Estimate], kept: list[NDArray[np.bool_]]) -> list[Estimate]:
    """Backoff weights for what is left, from the short n-grams up; what was cut gets its probability through them."""
    result = [Estimate(estimates[0].prob, estimates[0].backoff, kept[0])]
    for table, found, stays in zip(counts[1:], estimates[1:], kept[1:], strict=True):
        shorter = result[-1]
        below = shorter.prob[table.suffix]
        histories = len(shorter.prob)
        free = 1 - np.bincount(table.prefix[stays], found.prob[stays], histories)
        free_below = 1 - np.bincount(table.prefix[stays], below[stays], histories)
        backoff = np.maximum(free, TINY) / np.maximum(free_below, TINY)
        result[-1] = Estimate(shorter.prob, backoff, shorter.kept)
        prob = np.where(stays, found.prob, backoff[table.prefix] * below)
        result.append(Estimate(prob, np.ones(len(table)), stays))
    return result
