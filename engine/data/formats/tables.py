"""Tables with a header: Common Voice, and comma-, semicolon- or tab-separated ones with columns of known names."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

from engine.data.formats.columns import AUDIO_NAMES, DURATION_NAMES, TEXT_NAMES, clip_of, first_of
from engine.data.formats.text_file import lines_of
from engine.data.manifest import Clip, DataError

SEPARATORS = ("\t", ",", ";", "|")
COMMON_VOICE_COLUMNS = {"client_id", "path", "sentence"}
CLIPS_FOLDER = "clips"
DURATIONS_FILE = "clip_durations.tsv"


def separator_of(header: str) -> str:
    """What separates the columns of a header that names audio files and a length or a text; "" where none does."""
    for separator in SEPARATORS:
        names = dict.fromkeys(name.strip().strip('"').lower() for name in header.split(separator))
        if first_of(AUDIO_NAMES, names) and first_of(DURATION_NAMES + TEXT_NAMES, names):
            return separator
    return ""


def is_common_voice(header: str) -> bool:
    """Whether the header is that of Common Voice."""
    return set(header.split("\t")) >= COMMON_VOICE_COLUMNS


def read_table(path: Path, root: Path | None = None) -> list[Clip]:
    """The clips of a table; names of audio files are relative to `root`, or else to the table's folder."""
    lines = lines_of(path)
    header = next(lines, "")
    separator = separator_of(header)
    folder = root or path.parent
    quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator, quoting=quoting))]
    rows = csv.reader(lines, delimiter=separator, quoting=quoting)
    try:
        return [
            clip_of(dict(zip(names, row, strict=False)), folder, f"{path}:{rows.line_num + 1}") for row in rows if row
        ]
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num + 1}: {error}: quote fields that hold a separator") from error


def _told_durations(folder: Path) -> dict[str, float]:
    """Seconds by file name, from the table that newer releases bring along (in milliseconds)."""
    file = folder / DURATIONS_FILE
    if not file.is_file():
        return {}
    rows = (line.split("\t") for line in lines_of(file))
    return {row[0]: float(row[1]) / 1000 for row in rows if len(row) >= 2 and row[1].isdigit() and int(row[1]) > 0}


def read_common_voice(path: Path, root: Path | None = None) -> list[Clip]:
    """A table of a Common Voice release (train.tsv, validated.tsv ...), with its clips/ beside it."""
    lines = lines_of(path)
    names = next(lines).split("\t")
    folder = root or path.parent / CLIPS_FOLDER
    durations = _told_durations(path.parent)
    clips = []
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        row = dict(zip(names, line.split("\t"), strict=False))
        name, origin = row.get("path", ""), f"{path}:{number}"
        if not name:
            raise DataError(f"{origin}: the path is empty")
        file = folder / (name if "." in name else f"{name}.mp3")
        said = " ".join(row.get("sentence", "").split())
        clips.append(Clip(file, durations.get(name, 0.0), row.get("client_id") or "unknown", said, origin))
    return clips
