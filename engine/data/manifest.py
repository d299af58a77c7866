"""Manifests: tab-separated tables that name clips, how long they are, who speaks and what is said. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from engine.data.parts import Part

REQUIRED_COLUMNS = ("path", "duration_s")


class DataError(ValueError):
    """Data that cannot be trained on. The message names the file, the line where there is one, and the remedy."""


@dataclass(frozen=True)
class Clip:
    """One line of a manifest. An empty `transcript` means unlabelled; `origin` is `manifest:line`, for messages.

    A `duration_s` of 0 was not told, and could not be read from the file. Without a `part` the clip is all of `path`.
    """

    path: Path
    duration_s: float
    speaker: str = "unknown"
    transcript: str = ""
    origin: str = ""
    part: Part | None = None


def read_manifest(path: Path, root: Path | None = None) -> list[Clip]:
    """The clips of a UTF-8 TSV file whose header names `path` and `duration_s`, and maybe `speaker`, `transcript`.

    Clip paths are relative to `root`, or else to the manifest's folder. Columns may stand in any order; others are
    ignored, and so are empty lines. Raises DataError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"the manifest {path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot read the manifest {path}: {error.strerror or error}") from error
    header = lines[0].split("\t") if lines else []
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path}:1: the header has no column {missing[0]!r}; a manifest is tab-separated and begins with "
            "path, duration_s, speaker, transcript"
        )
    folder = root if root is not None else path.parent
    clips = [
        _clip(dict(zip(header, line.split("\t"), strict=False)), folder, f"{path}:{number}")
        for number, line in enumerate(lines[1:], 2)
        if line.strip()
    ]
    if not clips:
        raise DataError(f"the manifest {path} has a header and no clips")
    return clips


def _clip(values: dict[str, str], folder: Path, origin: str) -> Clip:
    name, text = values.get("path", ""), values.get("duration_s", "")
    if not name:
        raise DataError(f"{origin}: the path is empty")
    try:
        duration_s = float(text)
    except ValueError:
        duration_s = math.nan
    if not 0 < duration_s < math.inf:
        raise DataError(f"{origin}: duration_s is {text!r}; it must be a number of seconds above 0")
    transcript = " ".join(values.get("transcript", "").split())
    return Clip(folder / name, duration_s, values.get("speaker", "") or "unknown", transcript, origin)
