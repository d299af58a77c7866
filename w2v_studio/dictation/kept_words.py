"""Which words of a corrected text are still those that were recognised."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

IN_WORDS = "'’-"
"""Belong to a word between letters."""


def kept_words(recognised: Sequence[str], corrected: str) -> list[tuple[str, int | None]]:
    """`corrected` in pieces, in order, each with its place among the texts `recognised`; None where it is new."""
    pieces = [*_pieces(corrected, sorted({*recognised}, key=len, reverse=True))]
    shown = [place for place, piece in enumerate(pieces) if not piece.isspace()]
    matcher = SequenceMatcher(None, recognised, [pieces[place] for place in shown], autojunk=False)
    places: dict[int, int] = {}
    for first, second, size in matcher.get_matching_blocks():
        places |= {shown[second + step]: first + step for step in range(size)}
    return [(piece, places.get(place)) for place, piece in enumerate(pieces)]


def _pieces(text: str, known: Sequence[str]) -> Iterator[str]:
    """Spaces, words and marks; what is `known` in one piece, the longest first, as it may have dots and signs in it."""
    by_letter: dict[str, list[str]] = {}
    for piece in known:
        by_letter.setdefault(piece[:1], []).append(piece)
    start = 0
    while start < len(text):
        wholes = (piece for piece in by_letter.get(text[start], ()) if _is_whole(text, start, piece))
        whole = next(wholes, None)
        end = _end_of_run(text, start) if whole is None else start + len(whole)
        yield text[start:end]
        start = end


def _is_whole(text: str, start: int, piece: str) -> bool:
    """Whether `piece` stands there, and no word goes on behind it."""
    end = start + len(piece)
    return text.startswith(piece, start) and not (_is_letter(piece[-1]) and end < len(text) and _is_letter(text[end]))


def _end_of_run(text: str, start: int) -> int:
    """Where the spaces, the word or the mark that begins at `start` ends."""
    end = start + 1
    if text[start].isspace():
        while end < len(text) and text[end].isspace():
            end += 1
    elif _is_letter(text[start]):
        while end < len(text) and (
            _is_letter(text[end]) or (text[end] in IN_WORDS and _is_letter(text[end + 1 : end + 2]))
        ):
            end += 1
    return end


def _is_letter(text: str) -> bool:
    """Letters and digits of any script, and the signs that combine with them."""
    return bool(text) and (text[0].isalnum() or unicodedata.category(text[0])[0] == "M")
