"""A transcript as an object on one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from engine.text.ctc import Word, text_of
from w2v_studio.transcripts.written import WrittenTranscript


def json_line(file: str, written: WrittenTranscript, about: dict[str, Any]) -> str:
    """`text` as written and `raw_text` as recognised, `words` as recognised; `about`: further facts, at its end."""
    transcript = written.transcript
    values = {
        "file": file,
        "text": written.text,
        "raw_text": transcript.text,
        "words": [word_object(word) for word in transcript.words],
        "passages": [_passage(words) for words in transcript.passages if words],
        "duration_s": round(transcript.duration_s, 4),
    }
    return json.dumps({**values, **about}, ensure_ascii=False)


def word_object(word: Word) -> dict[str, Any]:
    """A word for JSON: `word`, `start_s`, `end_s`, `confidence`, and `alternatives` where there are any."""
    values = dataclasses.asdict(word)
    if not word.alternatives:
        del values["alternatives"]
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def _passage(words: Sequence[Word]) -> dict[str, str | float]:
    return {"raw_text": text_of(words), "start_s": round(words[0].start_s, 4), "end_s": round(words[-1].end_s, 4)}
