"""Words with times for other programs: CTM (NIST sclite) and TextGrid (Praat)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.text.ctc import Word
from w2v_studio.recognition.transcribe import Transcript


def ctm(name: str, transcript: Transcript) -> str:
    """A line a word: recording, channel, start and length in seconds, word, confidence; words as recognised."""
    recording = re.sub(r"\s+", "_", name) or "_"
    return "".join(
        f"{recording} 1 {word.start_s:.3f} {word.end_s - word.start_s:.3f} {word.word} {word.confidence:.4f}\n"
        for word in transcript.words
    )


def textgrid(transcript: Transcript) -> str:
    """Two tiers, `passages` and `words`, as recognised; what was not said has empty intervals (long text format)."""
    passages = [
        Word(" ".join(word.word for word in words), words[0].start_s, words[-1].end_s, 1.0)
        for words in transcript.passages
        if words
    ]
    end_s = max([transcript.duration_s, *(word.end_s for word in transcript.words)])
    tiers = [_tier(1, "passages", passages, end_s), _tier(2, "words", transcript.words, end_s)]
    head = (
        f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = {_number(end_s)}\n'
        f"tiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
    )
    return head + "".join(tiers)


def _tier(number: int, name: str, words: Sequence[Word], end_s: float) -> str:
    intervals = _intervals(words, end_s)
    head = (
        f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n        xmin = 0\n'
        f"        xmax = {_number(end_s)}\n        intervals: size = {len(intervals)}\n"
    )
    return head + "".join(
        f"        intervals [{place}]:\n            xmin = {_number(start_s)}\n            xmax = {_number(stop_s)}\n"
        f'            text = "{_quoted(text)}"\n'
        for place, (start_s, stop_s, text) in enumerate(intervals, 1)
    )


def _intervals(words: Sequence[Word], end_s: float) -> list[tuple[float, float, str]]:
    """(start, end, text) without gap or overlap from 0 to `end_s`, as Praat wants them."""
    intervals: list[tuple[float, float, str]] = []
    at_s = 0.0
    for word in words:
        start_s, stop_s = max(at_s, word.start_s), max(at_s, word.end_s)
        if stop_s <= start_s:
            continue  # takes no time: Praat has no such interval
        if start_s > at_s:
            intervals.append((at_s, start_s, ""))
        intervals.append((start_s, stop_s, word.word))
        at_s = stop_s
    if at_s < end_s:
        intervals.append((at_s, end_s, ""))
    return intervals


def _quoted(text: str) -> str:
    return text.replace('"', '""')


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".") or "0"
