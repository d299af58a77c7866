"""The sound of a dictation as FLAC (16 kHz, mono, 16 bit): written as it comes, readable after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 16000
BLOCK_SAMPLES = 1024


class RecordingError(RuntimeError):
    """Sound that cannot be kept. The message says why, and the remedy."""


class RecordingWriter:
    """Appends samples to a file. At most 4096 samples (0.26 s, a FLAC block) are lost when the program dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC")
        except (OSError, soundfile.LibsndfileError) as error:
            raise RecordingError(f"the recording cannot be written to {path} ({error}): make room there") from error

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append float32 samples in -1 to 1; louder ones are clipped. Raises RecordingError, as on a full disk."""
        try:
            self._file.write(np.clip(samples, -1.0, 1.0))
        except (OSError, soundfile.LibsndfileError) as error:
            raise RecordingError(f"the recording cannot go on in {self.path} ({error}): make room there") from error
        self.samples += len(samples)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def recover_recording(path: Path) -> int:
    """Make a cut-off recording whole: keep what can be read, in place. Gives its samples, 0 where nothing is left."""
    part = path.with_suffix(".tmp")
    samples = 0
    try:
        with soundfile.SoundFile(part, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as target:
            for block in _readable_blocks(path):
                target.write(block)
                samples += len(block)
    except (OSError, soundfile.LibsndfileError):
        part.unlink(missing_ok=True)
        raise
    if samples:
        part.replace(path)
    else:
        part.unlink(missing_ok=True)
    return samples


def _readable_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    """Blocks up to the end or the first one that is damaged (an unfinished file has no length in its head)."""
    try:
        with soundfile.SoundFile(path) as source:
            while len(block := source.read(BLOCK_SAMPLES, dtype="float32")):
                yield block
    except soundfile.LibsndfileError:
        return


def cut_recording(source: Path, target: Path, start_s: float, end_s: float) -> float:
    """Copy a stretch into a file of its own. Gives its duration in seconds, 0 where the source has no such stretch."""
    with soundfile.SoundFile(source) as file:
        first = max(0, min(round(start_s * file.samplerate), file.frames))
        last = max(first, min(round(end_s * file.samplerate), file.frames))
        if last == first:
            return 0.0
        file.seek(first)
        samples = file.read(last - first, dtype="int16")
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, samples, file.samplerate, "PCM_16", format="FLAC")
        return float((last - first) / file.samplerate)
