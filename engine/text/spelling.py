"""Phones of words that a lexicon lacks, by what its own words teach about letters. No torch.

letter       S   H   O   P          learned from words aligned letter by letter; each letter stands for 0 to 2 phones
phones       SH  -   AA  P
looked up    widest known surroundings first: ###SHOP, then ##SHO, ... then S alone

Alignment is by expectation maximisation in its Viterbi form over many-to-one pairs, the look-up by the likeliest phones
in the widest surroundings that were seen (memory-based conversion, van den Bosch and Daelemans 1993).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

Phones = tuple[str, ...]
Piece = tuple[str, Phones]
"""A letter and the phones it stands for."""

MOST_PHONES = 2
"""Phones of one letter, as X has."""
ROUNDS = 4
ALIGNED_WORDS = 12_000
"""Words that the shares of letters and phones are learned from; then all are aligned once."""
REACH = ((4, 4), (3, 3), (2, 3), (2, 2), (1, 2), (2, 1), (1, 1), (0, 2), (0, 1), (0, 0))
"""Letters before and after that a look-up sees, tried in this order."""
NEVER = -20.0
EDGE = "#"


class SpellingRules:
    """What a lexicon's words say about letters. Takes some seconds for 80,000 words."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        pairs = [(word, tuple(phones)) for word, phones in words.items() if _can_align(word, tuple(phones))]
        some = pairs[:: max(1, len(pairs) // ALIGNED_WORDS)]
        shares: dict[Piece, float] = {}
        for _ in range(ROUNDS):
            counts: Counter[Piece] = Counter()
            for word, phones in some:
                counts.update(_align(word, phones, shares))
            letters: Counter[str] = Counter()
            for (letter, _phones), count in counts.items():
                letters[letter] += count
            shares = {piece: math.log(count / letters[piece[0]]) for piece, count in counts.items()}
        seen: defaultdict[tuple[str, str, str], Counter[Phones]] = defaultdict(Counter)
        for word, phones in pairs:
            for place, (_letter, said) in enumerate(_align(word, phones, shares)):
                for reach in REACH:
                    seen[_surroundings(word, place, reach)][said] += 1
        self._best = {key: counts.most_common(1)[0][0] for key, counts in seen.items()}

    def phones(self, word: str) -> list[str]:
        """The likely phones of a word; letters that no word of the lexicon has stand for none."""
        found: list[str] = []
        for place in range(len(word)):
            keys = (_surroundings(word, place, reach) for reach in REACH)
            said: Phones = next((self._best[key] for key in keys if key in self._best), ())
            found += said
        return found


def _surroundings(word: str, place: int, reach: tuple[int, int]) -> tuple[str, str, str]:
    before, after = reach
    left = (EDGE * before + word[:place])[-before:] if before else ""
    return left, word[place], (word[place + 1 :] + EDGE * after)[:after]


def _can_align(word: str, phones: Phones) -> bool:
    return 0 < len(phones) <= MOST_PHONES * len(word)


def _align(word: str, phones: Phones, shares: Mapping[Piece, float]) -> Iterable[Piece]:
    """The best pieces of a word, a letter each. Without shares, letters and phones lie evenly side by side."""
    letters, sounds = len(word), len(phones)
    best = [[-math.inf] * (sounds + 1) for _ in range(letters + 1)]
    taken = [[0] * (sounds + 1) for _ in range(letters + 1)]
    best[0][0] = 0.0
    for place in range(letters):
        letter, row, following, took = word[place], best[place], best[place + 1], taken[place + 1]
        for start in range(sounds + 1):
            before = row[start]
            if before == -math.inf:
                continue
            for count in range(min(MOST_PHONES, sounds - start) + 1):
                end = start + count
                if shares:
                    score = before + shares.get((letter, phones[start:end]), NEVER)
                else:
                    score = before - abs(end / sounds - (place + 1) / letters) - 0.1 * (count != 1)
                if score > following[end]:
                    following[end], took[end] = score, count
    pieces: list[Piece] = []
    end = sounds
    for place in range(letters, 0, -1):
        count = taken[place][end]
        pieces.append((word[place - 1], phones[end - count : end]))
        end -= count
    return reversed(pieces)
