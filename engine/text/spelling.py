"""Phones of words that a lexicon lacks, by what its own words teach about letters. No torch.

letter       S   H   O   P          learned from words aligned letter by letter; each letter stands for 0 to 2 phones
phones       SH  -   AA  P
looked up    widest known surroundings first: ###SHOP, then ##SHO, ... then S alone

The look-up takes the likeliest phones in the widest surroundings that were seen (memory-based conversion, van den Bosch
and Daelemans 1993).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.text.letter_alignment import MOST_PHONES, align, spelled

REACH = ((4, 4), (3, 3), (2, 3), (2, 2), (1, 2), (2, 1), (1, 1), (0, 2), (0, 1), (0, 0))
"""Letters before and after that a look-up sees, tried in this order."""
WIDEST = 4
EDGE = 0
"""Stands for what is before a word's first letter and behind its last one. Letters have numbers from 1."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that surroundings give numbers that hardly others have (modulo 2^64)."""


class SpellingRules:
    """What a lexicon's words say about letters. Takes a second or two for 80,000 words."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        pairs = {word: phones for word, phones in words.items() if 0 < len(phones) <= MOST_PHONES * len(word)}
        self._names = sorted({phone for phones in pairs.values() for phone in phones})
        numbers = {phone: number for number, phone in enumerate(self._names, 1)}
        self._alphabet = {letter: number for number, letter in enumerate(sorted({*"".join(pairs)}), 1)}
        said = [[numbers[phone] for phone in phones] for phones in pairs.values()]
        self._words = spelled([*pairs], said, self._alphabet, len(self._names))
        self._sorted: dict[int, tuple[NDArray[np.uint64], NDArray[np.intp]]] = {}
        self._likeliest: dict[tuple[int, int], list[int]] = {}

    def phones(self, word: str) -> list[str]:
        """The likely phones of a word; letters that no word of the lexicon has stand for none."""
        letters = np.array([self._alphabet.get(letter, -1) for letter in word], np.int64)
        padded = np.pad(letters, WIDEST, constant_values=EDGE)
        found: list[str] = []
        for place in range(len(word)):
            if letters[place] > 0:
                found += [self._names[phone - 1] for phone in self._piece(padded, place + WIDEST) if phone > 0]
        return found

    def _piece(self, padded: NDArray[np.int64], place: int) -> list[int]:
        """The likeliest phones of the letter at `place`, in the widest surroundings that were seen."""
        for reach in range(len(REACH)):
            key = _keys(padded, np.array([place]), REACH[reach])[0]
            known = (reach, int(key))
            if known not in self._likeliest:
                self._likeliest[known] = self._most_frequent(reach, key)
            if self._likeliest[known]:
                return self._likeliest[known]
        return []

    def _most_frequent(self, reach: int, key: np.uint64) -> list[int]:
        """Phones that letters in these surroundings stand for, 0 where none; nothing for surroundings never seen."""
        keys, order = self._surroundings(reach)
        start, end = keys.searchsorted(key, "left"), keys.searchsorted(key, "right")
        if start == end:
            return []
        there = self._pieces[order[start:end]]
        _, first, counts = np.unique(
            there[:, 0] * (len(self._names) + 1) + there[:, 1], return_index=True, return_counts=True
        )
        # Of equally frequent ones the one that was seen first.
        likeliest: list[int] = there[first[np.lexsort((first, -counts))[0]]].tolist()
        return likeliest

    def _surroundings(self, reach: int) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        """Those of all letters of the lexicon's words, sorted, and whose they are."""
        if reach not in self._sorted:
            keys = _keys(*self._padded, REACH[reach])
            order = keys.argsort(kind="stable")
            self._sorted[reach] = keys[order], order
        return self._sorted[reach]

    @cached_property
    def _pieces(self) -> NDArray[np.int64]:
        """The phones that each letter of the lexicon's words stands for."""
        return align(self._words)

    @cached_property
    def _padded(self) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """All words' letters with edges between them, and where in that each letter is."""
        count, ends = len(self._words.letters), self._words.letter_ends
        word = np.searchsorted(ends, np.arange(count), side="right")
        places = np.arange(count) + WIDEST * (word + 1)
        padded = np.full(count + WIDEST * (len(ends) + 1), EDGE, np.int64)
        padded[places] = self._words.letters
        return padded, places


def _keys(padded: NDArray[np.int64], places: NDArray[np.intp], reach: tuple[int, int]) -> NDArray[np.uint64]:
    """A number for the surroundings of the letters at `places`."""
    before, after = reach
    keys = np.zeros(len(places), np.uint64)
    with np.errstate(over="ignore"):
        for offset in range(-before, after + 1):
            keys = keys * FACTOR + padded[places + offset].astype(np.uint64) + np.uint64(1)
    return keys
