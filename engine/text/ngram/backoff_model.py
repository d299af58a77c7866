"""A word n-gram model as ARPA files hold it: probabilities of the n-grams it has, and what backing off costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.corpus import BEGIN, END, UNKNOWN


@dataclass(frozen=True, eq=False)
class Grams:
    """The n-grams of one length, sorted by (`prefix`, `word`): see engine.text.ngram.counts.

    `log_prob` and `backoff` are decimal logarithms.
    """

    prefix: NDArray[np.int64]
    word: NDArray[np.int64]
    log_prob: NDArray[np.float64]
    backoff: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.word)

    def find(self, prefix: NDArray[np.int64], word: NDArray[np.int64], words: int) -> NDArray[np.int64]:
        """Rows of (prefix, word) pairs; -1 where there is none, or where the prefix is -1."""
        keys = self.prefix * words + self.word
        wanted = prefix * words + word
        rows = np.searchsorted(keys, wanted)
        rows[rows == len(keys)] = 0
        is_there = (prefix >= 0) & (keys[rows] == wanted) if len(keys) else np.zeros(len(rows), np.bool_)
        return np.where(is_there, rows, -1)


@dataclass(frozen=True, eq=False)
class BackoffModel:
    """`grams` of length 1 up to the order; `words` by number, <unk>, <s> and </s> first."""

    words: tuple[str, ...]
    grams: list[Grams]

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.grams)

    def log_probs(self, stream: NDArray[np.int32]) -> NDArray[np.float64]:
        """Decimal log-probability of each word of a stream of sentences, given those before it; <s> has 0."""
        words = stream.astype(np.int64)
        # Rows of the n-grams that end at each place, -1 where the model lacks them; one word longer each time.
        rows = words
        result = self.grams[0].log_prob[words]
        for grams, shorter in zip(self.grams[1:], self.grams[:-1], strict=True):
            history = np.concatenate(([-1], rows[:-1]))
            history[words == BEGIN] = -1
            found = grams.find(history, words, len(self.words))
            price = np.where(history >= 0, shorter.backoff[history], 0.0)
            result = np.where(found >= 0, grams.log_prob[found] if len(grams) else 0.0, result + price)
            rows = found
        result[words == BEGIN] = 0
        return result


@dataclass(frozen=True)
class Perplexity:
    """How well a model foretells a text: `value` over its known words and sentence ends; `unknown` of `words`."""

    value: float
    words: int
    unknown: int


def perplexity(model: BackoffModel, stream: NDArray[np.int32]) -> Perplexity:
    """Over a stream in the model's word numbers. Unknown words are not foretold, but counted."""
    scores = model.log_probs(stream)
    is_unknown = stream == UNKNOWN
    foretold = (stream != BEGIN) & ~is_unknown
    words = int(((stream != BEGIN) & (stream != END)).sum())
    value = float(10 ** -scores[foretold].mean()) if foretold.any() else float("inf")
    return Perplexity(value, words, int(is_unknown.sum()))
