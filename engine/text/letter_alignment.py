"""Words and their phones side by side: which phones each letter stands for. All words of equal lengths at once.

Expectation maximisation in its Viterbi form over many-to-one pairs: the best pieces of each word, by the shares that
pieces have of their letters, which are counted from the best pieces, and so on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

MOST_PHONES = 2
"""Phones of one letter, as X has."""
ROUNDS = 4
ALIGNED_WORDS = 12_000
"""Words that the shares of letters and phones are learned from; then all are aligned once."""
NEVER = -20.0


@dataclass(frozen=True, eq=False)
class SpelledWords:
    """Letters of words and their phones, by number from 1, one word behind the other.

    Word w has `letters[letter_ends[w - 1]:letter_ends[w]]`, and its phones likewise. There are `alphabet` letters and
    `sounds` phones.
    """

    letters: Numbers
    letter_ends: Numbers
    phones: Numbers
    phone_ends: Numbers
    alphabet: int
    sounds: int

    def __len__(self) -> int:
        return len(self.letter_ends)

    def groups(self, words: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
        """Of `words`, those of equal lengths: places in `letters` (words, letters), and in `phones` (words, phones)."""
        lengths = np.stack((np.diff(self.letter_ends, prepend=0), np.diff(self.phone_ends, prepend=0)), axis=1)[words]
        kinds, which = np.unique(lengths, axis=0, return_inverse=True)
        order = which.ravel().argsort(kind="stable")
        bounds = [0, *np.bincount(which.ravel(), minlength=len(kinds)).cumsum().tolist()]
        for (letters, phones), (start, end) in zip(kinds.tolist(), itertools.pairwise(bounds), strict=True):
            alike = words[order[start:end]]
            yield (
                (self.letter_ends[alike] - letters)[:, None] + np.arange(letters),
                (self.phone_ends[alike] - phones)[:, None] + np.arange(phones),
            )


def spelled(
    words: Sequence[str], phones: Sequence[Sequence[int]], alphabet: dict[str, int], sounds: int
) -> SpelledWords:
    """`words` with letters in `alphabet` and their `phones`."""
    letters = np.array([alphabet[letter] for word in words for letter in word], np.int64)
    flat = np.array([*itertools.chain(*phones)], np.int64)
    ends = np.array([len(word) for word in words], np.int64).cumsum()
    return SpelledWords(letters, ends, flat, np.array([*map(len, phones)], np.int64).cumsum(), len(alphabet), sounds)


def align(given: SpelledWords) -> NDArray[np.int64]:
    """The up to two phones that each letter stands for, 0 where none: (letters, 2)."""
    every = np.arange(len(given))
    some = every[:: max(1, len(given) // ALIGNED_WORDS)]
    shares: NDArray[np.float64] | None = None
    for _ in range(ROUNDS):
        pieces = _best_pieces(given, some, shares)
        # Letters of words that were not aligned have -1.
        used = pieces[:, 0] >= 0
        size = (given.alphabet + 1, given.sounds + 1, given.sounds + 1)
        place = np.ravel_multi_index((given.letters[used], pieces[used, 0], pieces[used, 1]), size)
        counts = np.bincount(place, minlength=int(np.prod(size))).reshape(size).astype(np.float64)
        letters = counts.sum(axis=(1, 2), keepdims=True)
        shares = np.full(size, NEVER)
        np.log(counts / np.maximum(letters, 1), out=shares, where=counts > 0)
    return _best_pieces(given, every, shares)


def _best_pieces(given: SpelledWords, words: Numbers, shares: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """Of `words`; the others' letters have -1. Without shares, letters and phones lie evenly side by side."""
    pieces = np.full((len(given.letters), 2), -1, np.int64)
    for places, sounding in given.groups(words):
        pieces[places] = _best_of_equal_lengths(given.letters[places], given.phones[sounding], shares)
    return pieces


def _best_of_equal_lengths(letters: Numbers, phones: Numbers, shares: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """(words, letters, 2) for `letters` (words, letters) and `phones` (words, phones)."""
    (words, length), sounds = letters.shape, phones.shape[1]
    best = np.full((words, sounds + 1), -np.inf)
    best[:, 0] = 0.0
    taken = np.zeros((length, words, sounds + 1), np.int8)
    for place in range(length):
        following = np.full((words, sounds + 1), -np.inf)
        for count in range(min(MOST_PHONES, sounds), -1, -1):
            starts = sounds + 1 - count
            if shares is None:
                ends = (np.arange(starts) + count) / sounds
                score = best[:, :starts] - np.abs(ends - (place + 1) / length) - 0.1 * (count != 1)
            else:
                first = phones[:, :starts] if count else 0
                second = phones[:, 1 : starts + 1] if count == MOST_PHONES else 0
                score = best[:, :starts] + shares[letters[:, place, None], first, second]
            reached = following[:, count:]
            better = score > reached
            reached[better] = score[better]
            taken[place, :, count:][better] = count
        best = following
    pieces = np.zeros((words, length, 2), np.int64)
    rows, ends = np.arange(words), np.full(words, sounds)
    for place in range(length - 1, -1, -1):
        counts = taken[place, rows, ends]
        starts_of = ends - counts
        some, two = counts > 0, counts > 1
        pieces[some, place, 0] = phones[rows[some], starts_of[some]]
        pieces[two, place, 1] = phones[rows[two], ends[two] - 1]
        ends = starts_of
    return pieces
