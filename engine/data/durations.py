"""Lengths of audio files that no table tells: read from their headers, once, and kept. No torch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import soundfile

from engine.data.cache_folder import FactFile
from engine.data.manifest import Clip

FACTS_VERSION = 1
SAVE_EVERY_S = 20.0
CHUNK = 256

Report = Callable[[str, int, int], None]
"""Told how long work goes: what is done, how much of it, of how much."""


def no_report(_what: str, _done: int, _total: int) -> None:
    """For work that nobody watches."""


def read_duration(path: Path) -> float:
    """Seconds of audio in a file, from its header; 0 where it is none that can be read."""
    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError, RuntimeError):
        return 0.0
    return float(info.frames / info.samplerate) if info.samplerate else 0.0


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]


def _chunks(clips: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(clips), CHUNK):
        yield clips[start : start + CHUNK]


def fill_durations(
    clips: Sequence[Clip], source: Path, report: Report = no_report, limit: int | None = None
) -> list[Clip]:
    """The clips with the lengths that were missing (`duration_s` 0), as far as their files tell.

    What was read is kept under the name of `source` with each file's size and time of change. `limit`: leave the rest
    unknown where more files than this would have to be opened.
    """
    wanted = list(dict.fromkeys(clip.path for clip in clips if clip.duration_s <= 0 and clip.part is None))
    if not wanted:
        return list(clips)
    facts = FactFile("durations", str(source.absolute()))
    kept = facts.load()
    known: dict[str, list[float]] = kept.get("files", {}) if kept.get("version") == FACTS_VERSION else {}
    found: dict[Path, float] = {}
    unread: list[Path] = []
    for path in wanted:
        entry = known.get(str(path))
        if entry is not None and entry[:2] == _stamp(path):
            found[path] = entry[2]
        else:
            unread.append(path)
    if unread and (limit is None or len(unread) <= limit):
        _read(unread, found, known, facts, report)
    return [
        replace(clip, duration_s=found.get(clip.path, 0.0)) if clip.duration_s <= 0 and clip.part is None else clip
        for clip in clips
    ]


def _read(
    unread: Sequence[Path], found: dict[Path, float], known: dict[str, list[float]], facts: FactFile, report: Report
) -> None:
    saved = time.monotonic()
    done = 0
    try:
        with ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool:
            for chunk in _chunks(unread):
                for path, seconds in zip(chunk, pool.map(read_duration, chunk), strict=True):
                    found[path] = seconds
                    known[str(path)] = [*_stamp(path), seconds]
                done += len(chunk)
                report("reading lengths", done, len(unread))
                if time.monotonic() - saved > SAVE_EVERY_S:
                    facts.save({"version": FACTS_VERSION, "files": known})
                    saved = time.monotonic()
    finally:  # also when interrupted: the next start goes on from here
        facts.save({"version": FACTS_VERSION, "files": known})
