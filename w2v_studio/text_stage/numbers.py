"""Number words as digits, by text2num, which knows pauses between words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from engine.text.ctc import Word
from w2v_studio.text_stage.rules import TextRules

PAUSE_S = 0.8
"""Words further apart belong to different numbers."""


@dataclass(frozen=True)
class Number:
    """Words [start, end) of the sequence, written as `text`."""

    text: str
    start: int
    end: int
    value: float
    is_ordinal: bool


class _Token:
    """A word as text2num wants it."""

    def __init__(self, word: Word, excluded: frozenset[str]) -> None:
        self._word, self._excluded = word, excluded

    def text(self) -> str:
        return self._word.word.lower()

    def nt_separated(self, previous: _Token) -> bool:
        return self._word.start_s - previous._word.end_s > PAUSE_S

    def not_a_number_part(self) -> bool:
        return self.text() in self._excluded


def find_numbers(words: Sequence[Word], rules: TextRules) -> list[Number]:
    """Numbers among `words`, in order. None where the language has no number rules.

    Small numbers that stand alone stay words ("that one", "two dogs"); in a row they are digits ("one two three").
    """
    if rules.numbers is None or not words:
        return []
    import text_to_num  # loads a compiled module; most programs never need it

    tokens = [_Token(word, rules.not_numbers) for word in words]
    # Threshold 0 lists them all: which stand alone is decided below.
    listed = text_to_num.find_numbers(tokens, rules.numbers, threshold=0.0)
    found = [Number(item.text, item.start, item.end, item.value, item.is_ordinal) for item in listed]
    if rules.years_in_pairs:
        found = _joined_years(found, tokens)
    found = _digits_apart(found)
    return [
        number
        for place, number in enumerate(found)
        if number.end - number.start > 1 or abs(number.value) >= rules.digits_from or _has_neighbour(found, place)
    ]


def _has_neighbour(found: list[Number], place: int) -> bool:
    number = found[place]
    return any(
        0 <= other < len(found) and (found[other].end == number.start or found[other].start == number.end)
        for other in (place - 1, place + 1)
    )


def _digits_apart(found: list[Number]) -> list[Number]:
    """Numbers with the zeros of digits read one by one parted: text2num makes "4 05" of "four zero five".

    Where all of a row have two digits or more, a zero stays with its number: 06 12 34 is a telephone number in French.
    """
    apart: list[Number] = []
    for _, row in itertools.groupby(zip(found, _rows(found), strict=True), key=lambda pair: pair[1]):
        numbers = [number for number, _ in row]
        is_spelled = any(len(number.text) == 1 for number in numbers)
        for number in numbers:
            apart += _parted_zeros(number) if is_spelled else [number]
    return apart


def _rows(found: list[Number]) -> list[int]:
    """For each number the place of its row's first one. A row has no other word between its numbers."""
    firsts: list[int] = []
    for place, number in enumerate(found):
        follows = place > 0 and found[place - 1].end == number.start
        firsts.append(firsts[-1] if follows else place)
    return firsts


def _parted_zeros(number: Number) -> list[Number]:
    rest = number.text.lstrip("0")
    zeros = len(number.text) - len(rest)
    words = number.end - number.start
    if not number.text.isdigit() or words < zeros + bool(rest):
        return [number]
    parted = [Number("0", start, start + 1, 0.0, False) for start in range(number.start, number.start + zeros)]
    if rest:
        parted.append(Number(rest, number.start + zeros, number.end, number.value, number.is_ordinal))
    return parted


def _joined_years(found: list[Number], tokens: list[_Token]) -> list[Number]:
    """Pairs such as 19 and 99, without a pause between them, as one number of four digits."""
    joined: list[Number] = []
    for number in found:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.end == number.start
            and last.text in ("16", "17", "18", "19", "20")
            and len(number.text) == 2
            and number.text.isdigit()
            and not tokens[number.start].nt_separated(tokens[number.start - 1])
        ):
            text = last.text + number.text
            joined[-1] = Number(text, last.start, number.end, float(text), False)
        else:
            joined.append(number)
    return joined
