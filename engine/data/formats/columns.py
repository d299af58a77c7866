"""Names that tables and JSON lines give to the same four things, and a row of them as a clip. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.data.manifest import Clip, DataError
from engine.data.parts import Stretch

AUDIO_NAMES = ("audio_filepath", "path", "audio", "audio_path", "wav_filename", "file_name", "filename", "file", "wav")
DURATION_NAMES = ("duration", "duration_s", "seconds", "length_s")
TEXT_NAMES = ("text", "transcript", "sentence", "transcription", "normalized_text", "words")
SPEAKER_NAMES = ("speaker", "speaker_id", "client_id", "spk_id", "spk")
OFFSET_NAMES = ("offset",)


def first_of(names: tuple[str, ...], known: Mapping[str, Any]) -> str:
    """The first of `names` that is a key of `known`; "" where none is."""
    return next((name for name in names if name in known), "")


def _number(values: Mapping[str, Any], names: tuple[str, ...], origin: str) -> float | None:
    name = first_of(names, values)
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise DataError(f"{origin}: {name} is {value!r}; it must be a number of seconds, 0 or more")
    return number


def clip_of(values: Mapping[str, Any], folder: Path, origin: str) -> Clip:
    """The clip that a row tells of. Without a duration it has 0. Raises DataError."""
    name = values.get(first_of(AUDIO_NAMES, values))
    if not isinstance(name, str) or not name:
        raise DataError(f"{origin}: no audio file is named; it belongs under one of {', '.join(AUDIO_NAMES[:3])}")
    duration_s = _number(values, DURATION_NAMES, origin)
    offset_s = _number(values, OFFSET_NAMES, origin)
    part = None
    if offset_s is not None:
        if not duration_s:
            raise DataError(f"{origin}: an offset needs a duration above 0 beside it")
        part = Stretch(offset_s, duration_s)
    text, speaker = (values.get(first_of(names, values)) for names in (TEXT_NAMES, SPEAKER_NAMES))
    transcript = " ".join(text.split()) if isinstance(text, str) else ""
    spoken_by = str(speaker) if speaker not in (None, "") else "unknown"
    return Clip(folder / name, duration_s or 0.0, spoken_by, transcript, origin, part)
