"""English whole numbers in words, as a text that is read aloud has them."""

from __future__ import annotations

import re

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
_NUMBER = re.compile(r"(?<![\w.,:/-])(\d{1,3}(?:,\d{3})+|\d{1,12})(?![\w]|[.,:/-]\d)")


def in_words(number: int) -> str:
    """A whole number from 0, below a million million: 342 is "three hundred forty two"."""
    if number < 20:
        return (*ONES, *TEENS)[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")
    for size, name in SCALES:
        if number >= size:
            rest = f" {in_words(number % size)}" if number % size else ""
            return f"{in_words(number // size)} {name}{rest}"
    raise AssertionError(number)


def spell_numbers(text: str) -> str:
    """Whole numbers in words. Other figures (dates, times, parts of words) stay as they are."""
    return _NUMBER.sub(lambda match: in_words(int(match[1].replace(",", ""))), text)
