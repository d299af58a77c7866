"""A language model adapted to somebody's texts, so that it knows their words and turns of phrase.

p(w | h) = (c(h w) + t p0(w | h)) / (c(h) + t)      c: counts in the texts, t: how many words the model before outweighs

p0 is the model before, whose shorter histories are the adapted ones (maximum a posteriori estimation with the model as
prior, Bacchiani and Roark 2003, "Unsupervised language model adaptation"). Histories that the texts lack keep their
words' probabilities; what is left for others is reckoned anew, so that all add up to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.backoff_model import BackoffModel, Grams
from engine.text.ngram.corpus import BEGIN, END
from engine.text.ngram.counts import Counts, Rows, count_ngrams
from engine.text.ngram.kneser_ney import NEVER
from engine.text.ngram.ngram_states import NgramStates
from engine.text.ngram.packed import Level

PRIORS = (2000.0, 100.0, 30.0, 10.0)
"""How many words the model before outweighs, for n-grams of one word, two, and so on. With two thirds of a voice's
sentences as texts, its others (35 of three voices, of the same chapters) had 25.9 % word errors with these, 26.5 % with
5000, 200, 50 and 20, 27.7 % with 20000, 500, 100 and 50; 27.8 % with the new words alone, 27.9 % without anything."""
TINY = 1e-9

Sentence = Sequence[str]


def adapted(words: Sequence[str], levels: Sequence[Level], sentences: Iterable[Sentence]) -> BackoffModel:
    """The model of `words` and `levels` (read_packed) as it is after `sentences`, whose new words come last."""
    numbers = {word: number for number, word in enumerate(words)}
    stream = [
        number
        for sentence in sentences
        for number in (BEGIN, *(numbers.setdefault(word, len(numbers)) for word in sentence), END)
    ]
    counts = count_ngrams(np.array(stream, np.int32), len(numbers), len(levels))
    names = tuple(numbers)
    grams = [_single(levels[0], counts[0])]
    # Where the rows of the model before, and of the counts, are now.
    before, said = np.arange(len(levels[0].word)), np.arange(len(names))
    for length, (level, table) in enumerate(zip(levels[1:], counts[1:], strict=True), 2):
        known = before[level.prefix] * len(names) + level.word
        counted = said[table.prefix] * len(names) + table.word
        keys = np.union1d(known, counted)
        before, said = keys.searchsorted(known), keys.searchsorted(counted)
        own = np.full(len(keys), np.nan)
        own[before] = 10.0 ** level.log_prob.astype(np.float64)
        count = np.zeros(len(keys))
        count[said] = table.count
        backoff = np.zeros(len(keys))
        backoff[before] = level.backoff
        grams = _longer(names, grams, keys // len(names), keys % len(names), own, count, backoff, _prior(length))
    return BackoffModel(names, grams)


def sentence_mark(sentence: Sentence) -> int:
    """A number that hardly another sentence has, of 63 bits."""
    return int.from_bytes(blake2b(" ".join(sentence).encode(), digest_size=8).digest(), "big") >> 1


def _prior(length: int) -> float:
    return PRIORS[min(length, len(PRIORS)) - 1]


def _single(level: Level, table: Counts) -> Grams:
    """Single words. Those that the model lacks have no probability before; <s> is never foretold."""
    own = np.zeros(len(table))
    own[: len(level.word)] = 10.0 ** level.log_prob.astype(np.float64)
    count = table.count.astype(np.float64)
    own[BEGIN] = count[BEGIN] = 0
    backoff = np.zeros(len(table))
    backoff[: len(level.word)] = level.backoff
    prob = (count + _prior(1) * own) / (count.sum() + _prior(1))
    return Grams(np.zeros(len(table), np.int64), table.word, _logarithm(prob), backoff)


def _longer(
    names: tuple[str, ...],
    shorter: list[Grams],
    prefix: Rows,
    word: Rows,
    own: NDArray[np.float64],
    count: NDArray[np.float64],
    backoff: NDArray[np.float64],
    prior: float,
) -> list[Grams]:
    """`shorter`, with what they back off by, and behind them n-grams of one word more: (n-grams,) each.

    `own` are their probabilities in the model before, nan where it had none; `backoff` is as it was there.
    """
    levels = [
        Level(each.prefix, each.word, each.log_prob.astype(np.float32), each.backoff.astype(np.float32))
        for each in shorter
    ]
    histories = len(shorter[-1])
    lower = np.exp(NgramStates(names, levels).below(len(shorter), prefix, word).astype(np.float64))
    own = np.where(np.isnan(own), 10.0 ** shorter[-1].backoff[prefix] * lower, own)
    total = np.bincount(prefix, count, histories)[prefix]
    prob = np.where(total > 0, (count + prior * own) / (total + prior), own)
    free = 1 - np.bincount(prefix, prob, histories)
    free_below = 1 - np.bincount(prefix, lower, histories)
    price = np.log10(np.maximum(free, TINY) / np.maximum(free_below, TINY))
    has_more = np.bincount(prefix, minlength=histories) > 0
    last = shorter[-1]
    going_on = Grams(last.prefix, last.word, last.log_prob, np.where(has_more, price, 0.0))
    return [*shorter[:-1], going_on, Grams(prefix, word, _logarithm(prob), backoff)]


def _logarithm(prob: NDArray[np.float64]) -> NDArray[np.float64]:
    """The decimal one, as ARPA files have it."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log10(prob), NEVER)
