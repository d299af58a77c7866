"""The formats that a transcript can be written in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from w2v_studio.transcripts import subtitles, word_times
from w2v_studio.transcripts.json_line import json_line
from w2v_studio.transcripts.written import WrittenTranscript

ENDINGS = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt", "ctm": ".ctm", "textgrid": ".TextGrid"}
"""Of their files."""


def render(form: str, path: Path, written: WrittenTranscript, about: dict[str, Any]) -> str:
    """The content of a file in the format; `about` says what a JSON object tells besides. Raises KeyError."""
    match form:
        case "text":
            return written.text + "\n" if written.text else ""
        case "json":
            return json_line(str(path), written, about) + "\n"
        case "srt":
            return subtitles.srt(written)
        case "vtt":
            return subtitles.vtt(written)
        case "ctm":
            return word_times.ctm(path.stem, written.transcript)
        case "textgrid":
            return word_times.textgrid(written.transcript)
    raise KeyError(form)
