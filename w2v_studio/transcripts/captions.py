"""Subtitles: at most two lines of 42 characters, cut at pauses, on the screen long enough to be read.

The rules of thumb of broadcasters: 42 characters a line, 1 to 7 seconds, 17 characters a second. Words are never cut
and never taken off the screen before they are over: a word longer than a line stands alone and runs over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from w2v_studio.transcripts.written import Piece, WrittenTranscript

LINE_CHARACTERS = 42
LINES = 2
LONGEST_S = 7.0
SHORTEST_S = 1.0
CHARACTERS_PER_S = 17.0
"""So slowly people read; a caption stays for that long where none follows."""
PAUSE_S = 0.7
"""A pause this long ends a caption."""
SHORT_PAUSE_S = 0.25
"""Where a caption must be cut, a pause this long is a better place than a full line."""
GAP_S = 0.04
"""Between captions, so that the eye sees the change: a picture at 25 a second."""


@dataclass(frozen=True)
class Caption:
    """`lines` on the screen from `start_s` to `end_s`, in seconds."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def captions(written: WrittenTranscript) -> list[Caption]:
    """The transcript as captions in order, not overlapping, within the recording unless speech is."""
    groups = [group for pieces in written.paragraphs for group in _groups(pieces)]
    result = []
    for place, group in enumerate(groups):
        lines = _lines(group)
        start_s = group[0].start_s
        wanted_s = max(SHORTEST_S, len(" ".join(lines)) / CHARACTERS_PER_S)
        limit_s = max(written.transcript.duration_s, group[-1].end_s)
        if place + 1 < len(groups):
            limit_s = max(groups[place + 1][0].start_s - GAP_S, start_s + 0.001)
        end_s = min(max(group[-1].end_s, start_s + min(wanted_s, LONGEST_S)), limit_s)
        result.append(Caption(start_s, max(end_s, start_s + 0.001), lines))
    return result


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces that go on the screen together."""
    group: list[Piece] = []
    for piece in _without_breaks(pieces):
        if group and (piece.start_s - group[-1].end_s >= PAUSE_S or not _fits([*group, piece])):
            if piece.start_s - group[-1].end_s >= PAUSE_S:
                yield group
                group = []
            else:
                place = _best_cut(group)
                yield group[:place]
                group = group[place:]
                if not _fits([*group, piece]):  # a long word after a cut further back
                    yield group
                    group = []
        group.append(piece)
    if group:
        yield group


def _without_breaks(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Pieces with spaces for the line breaks that were dictated."""
    gap = ""
    for piece in pieces:
        text = " ".join(piece.text.split())
        if text:
            yield Piece(gap or piece.gap, text, piece.start_s, piece.end_s)
        gap = "" if text else " "


def _fits(group: Sequence[Piece]) -> bool:
    if len(group) == 1:
        return True
    return group[-1].end_s - group[0].start_s <= LONGEST_S and len(_lines(group)) <= LINES and _is_narrow(_lines(group))


def _is_narrow(lines: Sequence[str]) -> bool:
    return all(len(line) <= LINE_CHARACTERS for line in lines)


def _best_cut(group: Sequence[Piece]) -> int:
    """How many pieces to show before the cut: to the longest pause in the last half, else all."""
    places = [place for place in range(max(1, len(group) // 2), len(group)) if group[place].gap]
    pauses = {place: group[place].start_s - group[place - 1].end_s for place in places}
    best = max(pauses, key=lambda place: pauses[place], default=len(group))
    return best if pauses.get(best, 0.0) >= SHORT_PAUSE_S else len(group)


def _lines(group: Sequence[Piece]) -> tuple[str, ...]:
    """One line if it fits, else two as equal as can be, the first not longer than it must; more where nothing fits."""
    words = _unbreakable(group)
    text = " ".join(words)
    if len(text) <= LINE_CHARACTERS or len(words) == 1:
        return (text,)
    cuts = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    fitting = [pair for pair in cuts if _is_narrow(pair)]
    if fitting:
        return min(fitting, key=lambda pair: abs(len(pair[0]) - len(pair[1])))
    return tuple(words)


def _unbreakable(group: Sequence[Piece]) -> list[str]:
    """Words with the marks that cling to them."""
    words: list[str] = []
    for piece in group:
        if words and not piece.gap:
            words[-1] += piece.text
        else:
            words.append(piece.text)
    return words
