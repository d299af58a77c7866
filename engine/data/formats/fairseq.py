"""fairseq's tables: a line with the root folder, then `path<tab>samples`; letters or words in files beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import soundfile

from engine.data.audio import SAMPLE_RATE
from engine.data.formats.text_file import lines_of
from engine.data.manifest import Clip, DataError

ROW = re.compile(r"[^\t]+\t\d+")


def is_fairseq(first: Sequence[str]) -> bool:
    """Whether the first two lines are a root and a row."""
    return len(first) == 2 and "\t" not in first[0] and ROW.fullmatch(first[1].rstrip()) is not None


def _texts(table: Path, clips: int) -> list[str]:
    """What is said in each row: from .wrd (words), else from .ltr (`H I |`), else nothing."""
    for suffix in (".wrd", ".ltr"):
        file = table.with_suffix(suffix)
        if not file.is_file():
            continue
        lines = [line.strip() for line in lines_of(file)]
        if len(lines) != clips:
            raise DataError(f"{file} has {len(lines)} lines for the {clips} clips of {table.name}: make both anew")
        if suffix == ".ltr":
            lines = [line.replace(" ", "").replace("|", " ") for line in lines]
        return [" ".join(line.split()) for line in lines]
    return [""] * clips


def _rate(file: Path) -> int:
    """fairseq counts samples of the file, which it wants at 16 kHz; the first one tells whether it is."""
    try:
        return int(soundfile.info(file).samplerate)
    except (soundfile.LibsndfileError, OSError, RuntimeError):
        return SAMPLE_RATE


def read_fairseq(path: Path, root: Path | None = None) -> list[Clip]:
    """The clips of a table; `root` stands in for the folder in its first line. Raises DataError."""
    lines = lines_of(path)
    named = Path(next(lines).strip())
    folder = root or (named if named.is_absolute() else path.parent / named)
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 2) if line.strip()]
    bad = next((number for number, row in rows if len(row) != 2 or not row[1].strip().isdigit()), None)
    if bad is not None:
        raise DataError(f"{path}:{bad}: a row is the path, a tab and the number of samples")
    texts = _texts(path, len(rows))
    rate = _rate(folder / rows[0][1][0]) if rows else SAMPLE_RATE
    return [
        Clip(folder / row[0], int(row[1]) / rate, transcript=text, origin=f"{path}:{number}")
        for (number, row), text in zip(rows, texts, strict=True)
    ]
