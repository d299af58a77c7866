"""Sound files to samples: mono, 16 kHz. A clip that was decoded once stays in memory, within bounds. No torch."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from engine.data.manifest import DataError
from engine.data.parts import CutRecord, Part, ShardMember, Stretch

SAMPLE_RATE = 16000
INT16_SCALE = 32768.0
CACHE_BYTES = 4 << 30
CACHE_SHARE = 0.25
"""Decoded audio takes at most this share of the machine's memory, and at most CACHE_BYTES."""

Waveform = NDArray[np.float32]


def read_native(path: Path, part: Part | None = None) -> tuple[Waveform, int]:
    """Samples (N, channels) and rate as they are in the file, or in the part of it. Raises DataError."""
    try:
        if isinstance(part, Stretch):
            return _read_stretch(path, part)
        if isinstance(part, ShardMember):
            samples, rate = soundfile.read(io.BytesIO(part.archive.read(part.name)), dtype="float32", always_2d=True)
        elif isinstance(part, CutRecord):
            return _read_cut(part)
        else:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        if not path.exists():
            raise DataError(f"there is no file {path}: correct its manifest, or give --root") from error
        place = f"{part.name} in {path}" if isinstance(part, ShardMember) else path
        raise DataError(f"cannot read {place} as audio ({error}): convert it to FLAC, WAV or Opus") from error
    return samples, rate


def _read_stretch(path: Path, part: Stretch) -> tuple[Waveform, int]:
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        start, count = round(part.start_s * rate), round(part.duration_s * rate)
        if start >= file.frames:
            raise DataError(
                f"{path} is {file.frames / rate:.2f} s long and has nothing at {part.start_s:g} s: correct the offset"
            )
        file.seek(start)
        samples = file.read(count, dtype="float32", always_2d=True)
        if part.channel is not None:
            if part.channel >= file.channels:
                raise DataError(
                    f"{path} has {file.channels} channels and no channel {part.channel} (they count from 0)"
                )
            samples = samples[:, part.channel : part.channel + 1]
    return samples, rate


def _read_cut(part: CutRecord) -> tuple[Waveform, int]:
    """What lhotse makes of the cut; its import takes seconds, so it waits for the first such clip."""
    from lhotse.serialization import deserialize_item

    cut = deserialize_item(json.loads(part.json))
    try:
        samples = cut.load_audio()
    except Exception as error:  # lhotse's backends raise whatever they find
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise DataError(f"lhotse cannot read the cut {cut.id} ({reason[0]}): correct its recording") from error
    if samples is None:
        raise DataError(f"the cut {cut.id} has no recording: make its manifest with recordings")
    return np.ascontiguousarray(samples.T, dtype=np.float32), int(cut.sampling_rate)


def as_mono(samples: Waveform, rate: int) -> NDArray[np.int16]:
    """Samples (N, channels) as 16-bit mono at 16 kHz: channels are averaged, other rates resampled."""
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    limited: NDArray[np.int16] = np.clip(np.rint(mono * INT16_SCALE), -32768, 32767).astype(np.int16)
    return limited


def read_audio(path: Path, part: Part | None = None) -> NDArray[np.int16]:
    """All of a file, or a part of it, as 16-bit mono at 16 kHz. Raises DataError."""
    return as_mono(*read_native(path, part))


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
        self._clips: dict[tuple[Path, Part | None], NDArray[np.int16]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, path: Path, part: Part | None = None) -> NDArray[np.int16]:
        """The samples of `path`, or of a part of it; do not write to them. Safe to call from several threads."""
        key = (path, part)
        kept = self._clips.get(key)
        if kept is not None:
            return kept
        samples = read_audio(path, part)
        samples.flags.writeable = False
        if isinstance(part, ShardMember) and part.streamed:
            return samples
        with self._lock:
            if key not in self._clips and self._bytes + samples.nbytes <= self._limit:
                self._clips[key] = samples
                self._bytes += samples.nbytes
        return samples


def to_float(samples: NDArray[np.int16]) -> Waveform:
    """float32 in -1 to 1."""
    scaled: Waveform = samples.astype(np.float32)
    scaled *= np.float32(1 / INT16_SCALE)
    return scaled
