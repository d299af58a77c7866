"""Which words of a corrected text are still those that were recognised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

PIECES = re.compile(r"\s+|\w+(?:['’-]\w+)*|[^\w\s]+")
"""Spaces, words and marks."""


def kept_words(recognised: Sequence[str], corrected: str) -> list[tuple[str, int | None]]:
    """`corrected` in pieces, in order, each with its place among the texts `recognised`; None where it is new."""
    pieces = PIECES.findall(corrected)
    shown = [place for place, piece in enumerate(pieces) if not piece.isspace()]
    matcher = SequenceMatcher(None, recognised, [pieces[place] for place in shown], autojunk=False)
    places: dict[int, int] = {}
    for first, second, size in matcher.get_matching_blocks():
        places |= {shown[second + step]: first + step for step in range(size)}
    return [(piece, places.get(place)) for place, piece in enumerate(pieces)]
