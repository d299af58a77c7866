"""SubRip (.srt) and WebVTT (.vtt, W3C)."""

from __future__ import annotations

from w2v_studio.transcripts.captions import captions
from w2v_studio.transcripts.written import WrittenTranscript


def srt(written: WrittenTranscript) -> str:
    """SubRip: numbered captions, times with a comma."""
    return "\n".join(
        f"{number}\n{_time(caption.start_s, ',')} --> {_time(caption.end_s, ',')}\n" + "\n".join(caption.lines) + "\n"
        for number, caption in enumerate(captions(written), 1)
    )


def vtt(written: WrittenTranscript) -> str:
    """WebVTT: a head, times with a point, &, < and > spelled out."""
    cues = [
        f"{_time(caption.start_s, '.')} --> {_time(caption.end_s, '.')}\n" + _escaped("\n".join(caption.lines)) + "\n"
        for caption in captions(written)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
