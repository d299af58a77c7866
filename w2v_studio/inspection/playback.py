"""Playing pieces of a recording, with a cursor that knows which place of the recording sounds. No Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soxr

from w2v_studio.audio.devices import AudioUnavailable, portaudio
from w2v_studio.inspection.analysis import Floats
from w2v_studio.inspection.clip import SAMPLE_RATE

GAP_S = 0.25
FADE_S = 0.005
LEAST_PIECE_S = 0.16
"""A frame has 25 ms, a click to the ear: shorter pieces are widened on both sides to this."""


@dataclass(frozen=True)
class Program:
    """`samples` to play (float32, 16 kHz), made of pieces: (first sample here, first sample in the clip, samples)."""

    samples: Floats = field(repr=False)
    pieces: tuple[tuple[int, int, int], ...]

    def clip_time_s(self, played_s: float) -> float | None:
        """The place in the clip that sounds `played_s` after the start; None in a gap and after the end."""
        place = int(played_s * SAMPLE_RATE)
        for here, there, size in self.pieces:
            if here <= place < here + size:
                return (there + place - here) / SAMPLE_RATE
        return None


def program_of(waveform: Floats, ranges: Sequence[tuple[int, int]]) -> Program:
    """The sample ranges [start, end) of `waveform` one after the other, with gaps and short fades.

    Pieces under 160 ms are widened, as far as the clip goes; a piece that then begins inside the one before it is
    still played whole, because each stands for one occurrence.
    """
    gap = np.zeros(round(GAP_S * SAMPLE_RATE), dtype=np.float32)
    parts: list[Floats] = []
    pieces: list[tuple[int, int, int]] = []
    here = 0
    for start, end in ranges:
        if end <= start:
            continue
        start, end = widened(start, end, len(waveform))
        if parts:
            parts.append(gap)
            here += len(gap)
        parts.append(faded(waveform[start:end]))
        pieces.append((here, start, end - start))
        here += end - start
    samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    return Program(samples, tuple(pieces))


def widened(start: int, end: int, size: int) -> tuple[int, int]:
    """[start, end) grown evenly to 160 ms where it is shorter, inside [0, size)."""
    missing = max(0, round(LEAST_PIECE_S * SAMPLE_RATE) - (end - start))
    return max(0, start - missing // 2), min(size, end + missing - missing // 2)


def faded(samples: Floats) -> Floats:
    """A copy that rises and falls over 5 ms, so that cuts do not click."""
    piece = samples.astype(np.float32, copy=True)
    size = min(round(FADE_S * SAMPLE_RATE), len(piece) // 2)
    ramp = np.linspace(0, 1, size, endpoint=False, dtype=np.float32)
    piece[:size] *= ramp
    piece[len(piece) - size :] *= ramp[::-1]
    return piece


class Player:
    """One output stream at a time, on the system's default output device at its own rate.

    `play` may take a tenth of a second to open the device, so it belongs on a worker thread; `stop`, `position_s` and
    `is_playing` may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: Any = None
        self._program: Program | None = None
        self._samples: Floats = np.zeros(0, dtype=np.float32)
        self._played = 0
        self._block = (0, 0, 0.0)  # samples before the last block, in it, and when it was asked for
        self._rate = SAMPLE_RATE
        self._latency_s = 0.0
        self._order = 0
        self._is_opening = False

    def next_order(self) -> int:
        """A ticket for `play`: a `play` whose ticket is no longer the newest gives up."""
        with self._lock:
            self._order += 1
            self._is_opening = True
            return self._order

    def play(self, program: Program, order: int) -> None:
        """Start `program` in place of what plays. Raises AudioUnavailable."""
        sounddevice = portaudio()
        rate = output_rate(sounddevice)
        samples = soxr.resample(program.samples, SAMPLE_RATE, rate).astype(np.float32)
        with self._lock:
            if order != self._order:
                return
            self._is_opening = False
            self._close()
            self._program, self._samples, self._played, self._rate = program, samples, 0, rate
            self._block = (0, 0, 0.0)
            try:
                self._stream = sounddevice.OutputStream(
                    samplerate=rate, channels=1, dtype="float32", callback=self._fill
                )
                self._stream.start()
                self._latency_s = float(self._stream.latency)
            except Exception as error:  # PortAudioError, or what a host interface throws
                self._close()
                raise AudioUnavailable(f"The sound device cannot be opened ({error}): check the sound output") from (
                    error
                )

    def stop(self) -> None:
        """Be silent at once."""
        with self._lock:
            self._order += 1
            self._is_opening = False
            self._close()

    @property
    def is_playing(self) -> bool:
        """Whether something sounds or is about to; turns False by itself after the last sample was heard."""
        with self._lock:
            if self._is_opening:
                return True
            if self._stream is None:
                return False
            if self._played < len(self._samples) + self._latency_s * self._rate:
                return True
            self._close()
            return False

    @property
    def position_s(self) -> float | None:
        """The place in the clip that is heard now; None in gaps and when nothing plays."""
        with self._lock:
            if self._stream is None or self._program is None:
                return None
            before, size, asked = self._block
            moved = min((time.monotonic() - asked) * self._rate, size)  # between blocks the clock goes on
            return self._program.clip_time_s(max(0.0, (before + moved) / self._rate - self._latency_s))

    def _fill(self, out: Any, frames: int, _time: Any, _status: Any) -> None:
        """PortAudio's callback: copy, count, nothing else. It keeps counting through the silence at the end."""
        piece = self._samples[self._played : self._played + frames]
        out[: len(piece), 0] = piece
        out[len(piece) :, 0] = 0
        self._block = (self._played, frames, time.monotonic())
        self._played += frames

    def _close(self) -> None:
        stream, self._stream, self._program = self._stream, None, None
        if stream is not None:
            stream.abort()
            stream.close()


def output_rate(sounddevice: Any) -> int:
    """The default output device's own rate, Hz. Raises AudioUnavailable where there is none."""
    try:
        rate = float(sounddevice.query_devices(kind="output")["default_samplerate"])
    except Exception as error:  # PortAudioError: no device; ValueError: none is the default
        raise AudioUnavailable(
            "There is no sound output: connect loudspeakers or headphones, then restart w2v studio"
        ) from error
    return round(rate)
