"""What data sets hold: clips, hours, transcripts. Read for the picker; the engine reads them again for training."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MANIFEST_COLUMNS = ("path", "duration_s")


@dataclass(frozen=True)
class Manifest:
    """A data set: a manifest, or another table or folder that the engine reads (docs/data-formats.md).

    `transcribed` counts the clips with a transcript; `problem` says why it cannot be used. `untold` clips have lengths
    that only a check or a training will find out.
    """

    path: Path
    clips: int = 0
    seconds: float = 0.0
    transcribed: int = 0
    speakers: int = 0
    problem: str = ""
    title: str = ""
    untold: int = 0

    @property
    def name(self) -> str:
        """Folder and file, as people say it: `digits/train`."""
        return self.title or f"{self.path.parent.name}/{self.path.name.partition('.')[0] or self.path.name}"

    @property
    def is_transcribed(self) -> bool:
        """Whether every clip has a transcript, so that fine-tuning can use it."""
        return self.clips > 0 and self.transcribed == self.clips

    @property
    def duration_text(self) -> str:
        """Hours, or minutes below one hour; a question mark where lengths are not known yet."""
        if self.untold:
            return "?"
        return f"{self.seconds / 3600:.1f} h" if self.seconds >= 3600 else f"{self.seconds / 60:.1f} min"


def read_manifest(path: Path) -> Manifest | None:
    """Count what `path` holds; None where it is a table of something else. Problems are told in the result."""
    clips = transcribed = 0
    seconds = 0.0
    speakers = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if not set(MANIFEST_COLUMNS) <= set(rows.fieldnames or ()):
                return None
            for row in rows:
                seconds += float(row["duration_s"])
                clips += 1
                transcribed += bool((row.get("transcript") or "").strip())
                speakers.add(row.get("speaker") or "unknown")
    except (OSError, UnicodeDecodeError) as error:
        return Manifest(path, problem=f"cannot be read: {error}")
    except (ValueError, TypeError, csv.Error):
        return Manifest(path, problem=f"line {clips + 2} has no duration in seconds in its column duration_s")
    if clips == 0:
        return Manifest(path, problem="has no clips")
    return Manifest(path, clips, seconds, transcribed, len(speakers - {"unknown"}))


def read_other(path: Path) -> Manifest:
    """Count a data set that is no manifest of our own. Problems are told in the result."""
    from engine.data.counting import count
    from engine.data.manifest import DataError

    try:
        held = count(path)
    except (DataError, OSError) as error:
        return Manifest(path, problem=str(error))
    return Manifest(path, held.clips, held.seconds, held.transcribed, held.speakers, untold=held.untold)


def find_manifests(folders: Iterable[Path]) -> list[Manifest]:
    """Data sets in the folders and in their direct subfolders, each once, in the order of the folders and names."""
    from engine.data.counting import find_sources

    found: dict[Path, Manifest] = {}
    for folder in folders:
        for path in (*sorted(folder.glob("*.tsv")), *sorted(folder.glob("*/*.tsv"))):
            if path not in found and (manifest := read_manifest(path)) is not None:
                found[path] = manifest
        for path in find_sources(folder):
            if path not in found:
                found[path] = read_other(path)
    return list(found.values())
