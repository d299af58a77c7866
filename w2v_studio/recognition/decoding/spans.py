"""Where words are in a path of tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A word, and its frames `start` to before `end`."""

    word: str
    start: int
    end: int
