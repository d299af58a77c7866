"""A progress bar in seconds of sound with the time that is left, on a terminal only."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from w2v_studio.audio.files import AudioFile, AudioFileError
from w2v_studio.audio.resample import SAMPLE_RATE

BAR = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of sound, {desc} [{elapsed}<{remaining}, {rate_noinv_fmt}]"


class SoundProgress:
    """Counts the sound of files that are worked on in several threads. Lengths come from their headers."""

    def __init__(self, files: Sequence[Path], is_shown: bool | None = None) -> None:
        self._lock = threading.Lock()
        self._is_shown = sys.stderr.isatty() if is_shown is None else is_shown
        self._promised = {path: _promised_s(path) for path in files} if self._is_shown else {}
        self._heard: dict[Path, float] = {}
        self._finished = 0
        self._bar: Any = tqdm(
            total=sum(self._promised.values()) or 1e-3,
            disable=not self._is_shown,
            file=sys.stderr,
            leave=False,
            bar_format=BAR,
            unit="s",
            unit_scale=True,
        )
        self._describe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()

    def advance(self, path: Path, samples: int) -> None:
        """That much more of the file is done."""
        with self._lock:
            seconds = samples / SAMPLE_RATE
            self._heard[path] = self._heard.get(path, 0.0) + seconds
            self._set_total(self._bar.total, self._bar.n + seconds)
            self._bar.update(seconds)

    def finish(self, path: Path) -> None:
        """The file is done, or has failed: from now on it counts as long as it was."""
        with self._lock:
            self._finished += 1
            if self._is_shown:
                change = self._heard.get(path, 0.0) - self._promised.get(path, 0.0)
                self._set_total(self._bar.total + change, self._bar.n)
                self._describe()

    def clear(self) -> None:
        """Make room for a line; the bar comes back below it."""
        with self._lock:
            self._bar.clear()

    def _set_total(self, total_s: float, done_s: float) -> None:
        """Headers may promise less than there is, and sums of seconds are rounded."""
        self._bar.total = max(total_s, done_s)

    def _describe(self) -> None:
        files = len(self._promised)
        self._bar.set_description_str("1 file" if files == 1 else f"{self._finished} of {files} files")


def _promised_s(path: Path) -> float:
    """Seconds by the header; 0 where it tells nothing or the file cannot be read, which is told when its turn comes."""
    try:
        with AudioFile(path) as file:
            return file.duration_s or 0.0
    except AudioFileError:
        return 0.0
