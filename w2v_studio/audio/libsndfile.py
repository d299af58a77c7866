"""Files that libsndfile reads: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and kin, known by content, not by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

BLOCK_SAMPLES = 1 << 16
"""Samples of all channels together that are read at once."""
LEAST_BLOCK_FRAMES = 1 << 10
SHORT_BY_S = 0.05
"""A file shorter than its header says by no more than this is whole: codecs round to their own frames."""
OGG_TAIL_BYTES = 1 << 17
OGG_LAST_PAGE = 4
"""Flag of the page that ends an Ogg stream (RFC 3533, section 6)."""
UNKNOWN_LENGTH = 0x7FFF0000
"""WAV written into a pipe has such a length, or a larger one: it promises nothing."""

FileReadError = soundfile.LibsndfileError


class SoundFileSource:
    """Mono samples of a file at its own rate. Raises FileReadError for what libsndfile does not know."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = soundfile.SoundFile(path)
        self.rate_hz = float(self._file.samplerate)
        self.duration_s: float | None = self._file.frames / self.rate_hz if self.rate_hz else 0.0
        self.shortfall = ""
        """After `blocks`: why there is less than the file promised, "" where all is there."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Channels averaged, float32; a file that breaks off gives what comes before the break."""
        channels = self._file.channels
        buffer = np.empty((max(LEAST_BLOCK_FRAMES, BLOCK_SAMPLES // channels), channels), np.float32)
        frames = 0
        while True:
            buffer.fill(np.nan)
            try:
                block = self._file.read(out=buffer)
            except FileReadError as error:
                # What was decoded before the error is in the buffer, but not how much.
                block = buffer[: _written(buffer)]
                self.shortfall = f"damaged or cut after {(frames + len(block)) / self.rate_hz:.1f} s ({reason(error)})"
            frames += len(block)
            if len(block):
                yield block.mean(axis=1, dtype=np.float32)
            if len(block) < len(buffer):
                break
        if not self.shortfall:
            self.shortfall = self._missing(frames)

    def _missing(self, frames: int) -> str:
        """Whether the file is cut although it could be read to its end."""
        seconds = frames / self.rate_hz
        promised = max(frames, self._file.frames)
        for said, there in re.findall(r": (\d+) \(should be (\d+)\)", self._file.extra_info):
            if int(there) < int(said) < UNKNOWN_LENGTH:
                promised = max(promised, round(frames * int(said) / max(1, int(there))))
        if promised - frames > SHORT_BY_S * self.rate_hz:
            return f"cut: {seconds:.1f} s of {promised / self.rate_hz:.1f} s are there"
        if self._file.format == "OGG" and not _ogg_has_its_end(self._path):
            return f"cut after {seconds:.1f} s: its end is missing"
        return ""


def reason(error: Exception) -> str:
    """libsndfile's own words."""
    text: str = getattr(error, "error_string", None) or str(error)
    return text.removeprefix("Error : ").rstrip(".")


def _written(buffer: NDArray[np.float32]) -> int:
    """Rows before the untouched ones, which are not numbers."""
    filled = np.flatnonzero(np.isfinite(buffer).all(axis=1))
    return int(filled[-1]) + 1 if len(filled) else 0


def _ogg_has_its_end(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - OGG_TAIL_BYTES))
        tail = file.read()
    last = tail.rfind(b"OggS\0")
    return last >= 0 and last + 5 < len(tail) and bool(tail[last + 5] & OGG_LAST_PAGE)
