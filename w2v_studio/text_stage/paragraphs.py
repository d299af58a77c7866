"""A dictation as paragraphs, one for each stretch of speech, with what later ones take back taken back."""

from __future__ import annotations

from collections.abc import Sequence

from engine.text.ctc import Word
from w2v_studio.text_stage.stage import TextStage, Written


def write_paragraphs(stage: TextStage, stretches: Sequence[Sequence[Word]]) -> list[Written | None]:
    """What each stretch is written as; None for those that a later "scratch that" took back.

    A stretch that only took back is None as well.
    """
    written: list[Written | None] = []
    for words in stretches:
        paragraph = stage.write(words)
        kept = [place for place, earlier in enumerate(written) if earlier is not None]
        for place in kept[len(kept) - min(paragraph.scratched, len(kept)) :]:
            written[place] = None
        written.append(paragraph if paragraph.text.strip() else None)
    return written
