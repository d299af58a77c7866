"""Where live sound comes from: a microphone, or a file played by the clock through the same path. No Qt here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.capture import MicrophoneCapture
from w2v_studio.audio.devices import find_input_device
from w2v_studio.audio.files import read_audio
from w2v_studio.audio.resample import SAMPLE_RATE

Samples = NDArray[np.float32]
TAIL_S = 0.6
"""Silence after a file, so that its last word ends as it would in a room."""


class SoundSource(Protocol):
    """A stream of mono float32 samples at `rate_hz`."""

    rate_hz: float

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come."""

    @property
    def overruns(self) -> int:
        """How often sound was lost."""

    def start(self) -> None:
        """Begin. Raises AudioUnavailable or AudioFileError."""

    def read(self) -> Samples:
        """What came in since the last call. Raises AudioUnavailable when the source fails."""

    def stop(self) -> None:
        """End; what came in can still be read."""


class MicrophoneSource:
    """The microphone of that name, or the system's ("")."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._capture: MicrophoneCapture | None = None
        self.rate_hz = 0.0
        self.is_finished = False

    @property
    def overruns(self) -> int:
        """How often sound was lost."""
        return self._capture.overruns if self._capture is not None else 0

    def start(self) -> None:
        """Open the device. Raises AudioUnavailable."""
        self._capture = MicrophoneCapture(find_input_device(self._name or None))
        self.rate_hz = self._capture.rate_hz
        self._capture.start()

    def read(self) -> Samples:
        """What came in since the last call. Raises AudioUnavailable when the device fails."""
        if self._capture is None:
            return np.zeros(0, np.float32)
        return self._capture.read()

    def stop(self) -> None:
        """Close the device; what came in can still be read."""
        if self._capture is not None:
            self._capture.stop()


class FileSource:
    """A file as if it were spoken now: `read` gives what is due by `clock` (seconds), then some silence.

    Of any kind that `transcribe` takes; of a cut or damaged one what is there.
    """

    overruns = 0

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._waveform = np.zeros(0, np.float32)
        self._given = 0
        self._started_at = 0.0
        self._is_stopped = False
        self.rate_hz = float(SAMPLE_RATE)
        self.warning = ""
        """Once started: what of the file is missing, "" where nothing is."""

    @property
    def is_finished(self) -> bool:
        """Whether all of it was read."""
        return self._is_stopped or self._given >= len(self._waveform)

    def start(self) -> None:
        """Read the file. Raises AudioFileError."""
        tail = np.zeros(round(TAIL_S * self.rate_hz), np.float32)
        warnings: list[str] = []
        self._waveform = np.concatenate((read_audio(self._path, warnings.append), tail))
        self.warning = " ".join(warnings)
        self._started_at = self._clock()

    def read(self) -> Samples:
        """What is due."""
        if self._is_stopped:
            return np.zeros(0, np.float32)
        due = min(int((self._clock() - self._started_at) * self.rate_hz), len(self._waveform))
        piece = self._waveform[self._given : due]
        self._given = max(self._given, due)
        return piece

    def stop(self) -> None:
        """Say no more."""
        self._is_stopped = True
