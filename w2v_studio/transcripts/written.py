"""A transcript as it is written down: paragraphs by the text stage, and the pieces of text with their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.text.ctc import Word
from w2v_studio.recognition.transcribe import Transcript
from w2v_studio.text_stage.paragraphs import write_paragraphs
from w2v_studio.text_stage.rules import rules_for
from w2v_studio.text_stage.stage import RAW, TextOptions, TextStage, Written

Style = Literal["written", "dictated", "raw"]
"""written: capitals and digits; dictated: spoken marks and commands too, which would spoil a talk; raw: as said."""
PARAGRAPH_S = 2.0
"""A pause this long begins a paragraph."""
OPTIONS = {"written": TextOptions(marks=False, commands=False), "dictated": TextOptions(), "raw": RAW}


@dataclass(frozen=True)
class Piece:
    """Text that is never cut, with the gap before it ("" or " "), and when it was said, in seconds."""

    gap: str
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class WrittenTranscript:
    """`text` in lines, one a paragraph; `paragraphs` of pieces; `transcript` has the words as recognised."""

    transcript: Transcript
    paragraphs: tuple[tuple[Piece, ...], ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join("".join(piece.gap + piece.text for piece in pieces) for pieces in self.paragraphs)


class TranscriptWriter:
    """Writes transcripts of a language in a style; `names` are phrases that have letters of their own."""

    def __init__(self, language: str, style: Style = "written", names: Iterable[str] = ()) -> None:
        self._style = style
        self._stage = TextStage(rules_for(language).with_names(names), OPTIONS[style])

    def write(self, transcript: Transcript) -> WrittenTranscript:
        """The transcript in paragraphs; spoken commands may have taken some back."""
        stretches: Sequence[Sequence[Word]] = transcript.passages
        if self._style != "dictated":
            stretches = list(_joined(transcript.passages))
        written = [paragraph for paragraph in write_paragraphs(self._stage, stretches) if paragraph is not None]
        return WrittenTranscript(transcript, tuple(tuple(_pieces(paragraph)) for paragraph in written))


def _joined(passages: Sequence[Sequence[Word]]) -> Iterator[list[Word]]:
    """Passages without a long pause between them as one."""
    words: list[Word] = []
    for passage in passages:
        if words and passage and passage[0].start_s - words[-1].end_s >= PARAGRAPH_S:
            yield words
            words = []
        words = [*words, *passage]
    if words:
        yield words


def _pieces(written: Written) -> Iterator[Piece]:
    for gap, span in written.pieces():
        yield Piece(gap, span.text, span.words[0].start_s, span.words[-1].end_s)
