"""Where words are in a path of tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A word, and its frames `start` to before `end`.

    `share` of the texts that may have been said have it there, and some have one of `alternatives`, the likeliest
    first. None where nothing is known of them.
    """

    word: str
    start: int
    end: int
    share: float | None = None
    alternatives: tuple[str, ...] = ()
