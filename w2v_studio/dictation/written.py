"""The text of a stored dictation as it is shown: corrections as they were typed, the rest written by the text stage."""

from __future__ import annotations

from collections.abc import Sequence

from engine.text.ctc import Word, text_of
from w2v_studio.dictation.store import Dictation, StoredSegment
from w2v_studio.text_stage.paragraphs import write_paragraphs
from w2v_studio.text_stage.stage import TextStage, Written


def spoken_words(text: str, words: Sequence[Word]) -> tuple[Word, ...]:
    """`words` where they are those of `text`, else words without times (a text that was stored alone)."""
    return tuple(words) if text_of(words) == text else tuple(Word(word, 0.0, 0.0, 1.0) for word in text.split())


def written_segments(stage: TextStage, dictation: Dictation) -> list[tuple[StoredSegment, Written | None]]:
    """Each segment with what it is written as; None for an empty one and one that was taken back."""
    stretches = [spoken_words(segment.raw_text, segment.words) for segment in dictation.segments]
    return list(zip(dictation.segments, write_paragraphs(stage, stretches), strict=True))


def written_line(stage: TextStage, dictation: Dictation) -> str:
    """All of it in one line."""
    texts = (
        (written.text if written else "") if segment.corrected_text is None else segment.corrected_text
        for segment, written in written_segments(stage, dictation)
    )
    return " ".join(" ".join(texts).split())
