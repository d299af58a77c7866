"""A JSON object a line, as NeMo writes them: audio_filepath, duration, text, maybe offset. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.formats.columns import clip_of
from engine.data.formats.text_file import lines_of
from engine.data.manifest import Clip, DataError


def objects_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file, with the number of their line, read as they are asked for. Raises DataError."""
    for number, line in enumerate(lines_of(path), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{number}: not a JSON object ({error.msg}): write one a line") from error
        if not isinstance(value, dict):
            raise DataError(f"{path}:{number}: {line[:40]!r} is not a JSON object: write one a line")
        yield number, value


def read_json_lines(path: Path, root: Path | None = None) -> list[Clip]:
    """The clips of the file; names of audio files are relative to `root`, or else to its folder."""
    folder = root or path.parent
    return [clip_of(values, folder, f"{path}:{number}") for number, values in objects_of(path)]
