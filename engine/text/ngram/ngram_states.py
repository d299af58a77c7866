"""An n-gram model with back-off as arrays, which scores a word after each of many histories at once.

Every n-gram w1 ... wn is a node whose parent is w1 ... wn-1; node 0 is the empty one, node 1 + w the word w alone. A
history is a node too: the longest end of what was said that the model knows more about.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.corpus import BEGIN, END, SPECIAL_WORDS, UNKNOWN
from engine.text.ngram.counts import Rows
from engine.text.ngram.packed import Level

LN_10 = np.log(10)
UNKNOWN_LOG10 = -100.0
"""Of a word that the model lacks, if it has no <unk>; as KenLM."""

Nodes = NDArray[np.int32]


class NgramStates:
    """The n-grams of each length, `levels`, over words called `names`."""

    def __init__(self, names: Sequence[str], levels: Sequence[Level]) -> None:
        self.words = {name: place for place, name in enumerate(names)}
        log_probs, backoffs = [np.zeros(1, np.float32)], [np.zeros(1, np.float32)]
        keys, begins = [np.zeros(0, np.int64)], [1]
        # A number for the unknown word too, if the model has none.
        self._size = len(names) + 1
        for length, level in enumerate(levels, 1):
            if length > 1:
                # Beginnings are the nodes of the level before, so that the keys of all levels together are in order.
                keys.append((level.prefix + begins[-2]) * self._size + level.word)
            log_probs.append(level.log_prob)
            backoffs.append(level.backoff)
            if length == 1:
                log_probs.append(np.array([UNKNOWN_LOG10], np.float32))
                backoffs.append(np.zeros(1, np.float32))
                self.words.setdefault(SPECIAL_WORDS[UNKNOWN], len(names))
            begins.append(sum(map(len, log_probs)))
        self._keys = np.concatenate(keys)
        self._first = begins[1]
        """The node of the first key."""
        self._log_probs = np.concatenate(log_probs) * np.float32(LN_10)
        self._backoffs = np.concatenate(backoffs) * np.float32(LN_10)
        self._begins = begins
        self._link(begins[1:])
        self.order, self.nodes = len(levels), len(self._log_probs)
        begin = self.words.get(SPECIAL_WORDS[BEGIN])
        self.start = 0 if begin is None else int(self._states[1 + begin])

    def word(self, name: str) -> int:
        """The word's number, that of the unknown word for what the model lacks."""
        return self.words.get(name, self.words[SPECIAL_WORDS[UNKNOWN]])

    def score(self, histories: Nodes, words: NDArray[np.int32]) -> tuple[NDArray[np.float32], Nodes]:
        """Natural log-probability of each of `words` (n,) after its one of `histories` (n,), and the history then."""
        # What of each history the model may know with the word behind it: all of it, less and less, nothing.
        ends = np.empty((self.order, len(words)), np.int32)
        ends[0] = histories
        for length in range(1, self.order):
            ends[length] = self._suffixes[ends[length - 1]]
        found = self._find(ends, words)
        longest = (found >= 0).argmax(axis=0)
        nodes = found[longest, np.arange(len(words))]
        left_behind = np.arange(self.order)[:, None] < longest
        backoffs = (self._backoffs[ends] * left_behind).sum(axis=0, dtype=np.float32)
        return self._log_probs[nodes] + backoffs, self._states[nodes]

    def below(self, length: int, rows: Rows, words: NDArray[np.integer]) -> NDArray[np.float32]:
        """Natural log-probability of each of `words` (n,) after the n-grams `rows` (n,) of `length`, without their

        first words.
        """
        return self.score(self._suffixes[self._begins[length - 1] + rows], words.astype(np.int32))[0]

    def finish(self, histories: Nodes) -> NDArray[np.float32]:
        """Natural log-probability that a sentence ends after each of `histories`; 0 where the model has no such end."""
        end = self.words.get(SPECIAL_WORDS[END])
        if end is None:
            return np.zeros(len(histories), np.float32)
        return self.score(histories, np.full(len(histories), end, np.int32))[0]

    def _find(self, nodes: NDArray[np.integer], words: NDArray[np.integer]) -> Nodes:
        """The node of each word behind its node, -1 where there is none."""
        keys = nodes.astype(np.int64) * self._size + words
        if len(self._keys):
            places = np.minimum(self._keys.searchsorted(keys), len(self._keys) - 1)
            found = np.where(self._keys[places] == keys, places + self._first, -1)
        else:
            found = np.full(keys.shape, -1)
        return np.where(nodes == 0, words + 1, found).astype(np.int32)

    def _link(self, levels: list[int]) -> None:
        """For each node: the longest known end of it, and the history that it leaves, which has more behind it."""
        size = len(self._log_probs)
        self._suffixes = np.zeros(size, np.int32)
        has_more = np.zeros(size, bool)
        parents = (self._keys // self._size).astype(np.int32)
        words = (self._keys % self._size).astype(np.int32)
        has_more[parents] = True
        has_more |= self._backoffs != 0
        self._states = np.where(has_more, np.arange(size, dtype=np.int32), 0)
        for begin, end in pairwise(levels):
            own = slice(begin - self._first, end - self._first)
            ends = self._suffixes[parents[own]]
            found = self._find(ends, words[own])
            while (missing := found < 0).any():
                ends[missing] = self._suffixes[ends[missing]]
                found[missing] = self._find(ends[missing], words[own][missing])
            self._suffixes[begin:end] = found
            bare = ~has_more[begin:end]
            self._states[begin:end][bare] = self._states[found[bare]]
