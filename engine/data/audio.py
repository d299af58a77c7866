"""Sound files to samples: mono, 16 kHz. A clip that was decoded once stays in memory, within bounds. No torch."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from engine.data.manifest import DataError

SAMPLE_RATE = 16000
INT16_SCALE = 32768.0
CACHE_BYTES = 4 << 30
CACHE_SHARE = 0.25
"""Decoded audio takes at most this share of the machine's memory, and at most CACHE_BYTES."""

Waveform = NDArray[np.float32]


def read_audio(path: Path) -> NDArray[np.int16]:
    """All of a file as 16-bit mono at 16 kHz: channels are averaged, other rates resampled. Raises DataError."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        if not path.exists():
            raise DataError(f"there is no file {path}: correct its manifest, or give --root") from error
        raise DataError(f"cannot read {path} as audio ({error}): convert it to FLAC, WAV or Opus") from error
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    limited: NDArray[np.int16] = np.clip(np.rint(mono * INT16_SCALE), -32768, 32767).astype(np.int16)
    return limited


def cache_limit() -> int:
    """Bytes that decoded audio may take on this machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not say
        memory = 8 << 30
    return min(CACHE_BYTES, int(CACHE_SHARE * memory))


class AudioCache:
    """Decoded clips, as int16. What no longer fits is decoded again each time; nothing is ever thrown out.

    A training set is gone through over and over: throwing out the oldest would miss every time.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self._limit = cache_limit() if limit_bytes is None else limit_bytes
        self._clips: dict[Path, NDArray[np.int16]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, path: Path) -> NDArray[np.int16]:
        """The samples of `path`; do not write to them. Safe to call from several threads."""
        kept = self._clips.get(path)
        if kept is not None:
            return kept
        samples = read_audio(path)
        samples.flags.writeable = False
        with self._lock:
            if path not in self._clips and self._bytes + samples.nbytes <= self._limit:
                self._clips[path] = samples
                self._bytes += samples.nbytes
        return samples


def to_float(samples: NDArray[np.int16]) -> Waveform:
    """float32 in -1 to 1."""
    scaled: Waveform = samples.astype(np.float32)
    scaled *= np.float32(1 / INT16_SCALE)
    return scaled
