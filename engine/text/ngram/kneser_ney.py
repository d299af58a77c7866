"""Interpolated modified Kneser-Ney estimation (Chen and Goodman 1999, section 5), all n-grams of a length at once.

p(w | h) = (a(h w) - D(a(h w))) / a(h) + g(h) p(w | h without its first word)      a: adjusted counts

What a cut-off takes away goes to g(h), so that every history's probabilities add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.backoff_model import BackoffModel, Grams
from engine.text.ngram.corpus import BEGIN
from engine.text.ngram.counts import Counts

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""For texts too small to reckon discounts from."""
NEVER = -99.0
"""Decimal logarithm written for <s>, which is never foretold."""

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Of one length: `prob` of every counted n-gram (of cut ones, through backing off), `backoff` weight as a history,

    and which are `kept`.
    """

    prob: Values
    backoff: Values
    kept: NDArray[np.bool_]


def discounts(adjusted: NDArray[np.int64]) -> tuple[float, float, float]:
    """What is taken from counts of 1, 2, and 3 or more; from how many n-grams have the counts 1 to 4."""
    n1, n2, n3, n4 = (int((adjusted == count).sum()) for count in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    is_sound = all(0 <= discount <= count for count, discount in enumerate(found, 1))
    return found if is_sound else FALLBACK_DISCOUNTS


def estimate(counts: list[Counts], cut_offs: tuple[int, ...] = ()) -> list[Estimate]:
    """Probabilities of all n-grams. Those that occur `cut_offs[length - 1]` times or less are cut; words never are.

    Raises ValueError for cut-offs that fall with the length: an n-gram would be kept without its beginning.
    """
    limits = [*cut_offs, *[cut_offs[-1] if cut_offs else 0] * (len(counts) - len(cut_offs))]
    if limits != sorted(limits):
        raise ValueError(f"cut-offs {','.join(map(str, limits))} fall; they must stay or rise with the length")
    words = len(counts[0])
    lower = np.full(1, 1 / (words - 1))  # <s> is never foretold
    result: list[Estimate] = []
    for length, table in enumerate(counts, 1):
        histories = 1 if length == 1 else len(counts[length - 2])
        adjusted: Values = table.adjusted.astype(np.float64)
        if length == 1:
            adjusted[BEGIN] = 0
        kept = np.ones(len(table), np.bool_) if length == 1 else table.count > limits[length - 1]
        by_count = np.array([0.0, *discounts(table.adjusted if length > 1 else np.delete(table.adjusted, BEGIN))])
        taken = by_count[np.minimum(adjusted, 3).astype(np.int64)]
        totals = np.bincount(table.prefix, adjusted, histories).astype(np.float64)
        own: Values = kept * (adjusted - taken) / np.where(totals > 0, totals, 1.0)[table.prefix]
        backoff = 1 - np.bincount(table.prefix, own, histories).astype(np.float64)
        prob: Values = own + backoff[table.prefix] * lower[table.suffix]
        if length == 1:
            prob[BEGIN] = 0
        else:
            result[-1] = Estimate(result[-1].prob, backoff, result[-1].kept)
        result.append(Estimate(prob, np.ones(len(table)), kept))
        lower = prob
    return result


def to_model(words: tuple[str, ...], counts: list[Counts], estimates: list[Estimate]) -> BackoffModel:
    """The kept n-grams alone, as a model."""
    grams: list[Grams] = []
    place = np.zeros(1, np.int64)
    for table, found in zip(counts, estimates, strict=True):
        kept = found.kept.nonzero()[0]
        with np.errstate(divide="ignore"):
            log_prob = np.maximum(np.log10(found.prob[kept]), NEVER)
            backoff = np.maximum(np.log10(found.backoff[kept]), NEVER)
        grams.append(Grams(place[table.prefix[kept]], table.word[kept], log_prob, backoff))
        place = np.full(len(table), -1, np.int64)
        place[kept] = np.arange(len(kept))
    return BackoffModel(words, grams)
