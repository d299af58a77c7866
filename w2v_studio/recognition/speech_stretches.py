"""A recording as the stretches of speech in it, cut at pauses, in constant memory.

sound    ......~~~~~~~....~~~~~~~~~~~~......................~~~~~~~~~~~~~~~~~~~~~~~~~~~
stretch     [------------)                               [---------------)[------------
            300 ms before     a pause of 400 ms ends it      cut after 20 s at the longest silence

The same blocks, thresholds and extents as live recognition (endpointer.py), so that a file's text is what dictation of
the same sound gives in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.endpointer import Endpointer, Turn
from w2v_studio.recognition.frames import FrameGrid
from w2v_studio.recognition.history import History
from w2v_studio.recognition.live_settings import SAMPLES_PER_MS, LiveSettings
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

Waveform = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Stretch:
    """`samples` of the recording from `first_frame` on; at least one frame, or none at its end without speech.

    `is_end` where the recording ends with it, `taken` samples of the recording were read when it was found.
    """

    first_frame: int
    samples: Waveform
    is_end: bool
    taken: int


class StretchFinder:
    """Samples in, stretches out. `voice_activity` must belong to it alone while it works."""

    def __init__(self, voice_activity: VoiceActivity, grid: FrameGrid, settings: LiveSettings | None = None) -> None:
        self._voice_activity, self._grid = voice_activity, grid
        self._settings = settings or LiveSettings()
        self._endpointer = Endpointer(self._settings)
        self._history = History(np.zeros(0, np.float32))
        self._pending = np.zeros(0, np.float32)
        self._settled = 0
        """First frame that belongs to no stretch yet."""
        self._first: int | None = None
        """First frame of the running stretch."""
        self._extent: int | None = None
        """Frames up to which it counts, if no speech follows."""
        voice_activity.reset()

    def find(self, blocks: Iterable[Waveform]) -> Iterator[Stretch]:
        """All stretches of a recording given in blocks of any size."""
        for samples in blocks:
            pending = np.concatenate((self._pending, samples))
            whole = len(pending) - len(pending) % BLOCK_SAMPLES
            for start in range(0, whole, BLOCK_SAMPLES):
                yield from self._take(pending[start : start + BLOCK_SAMPLES])
            self._pending = pending[whole:]
        yield from self._end()

    def _take(self, block: Waveform) -> Iterator[Stretch]:
        self._history.append(block)
        turn = self._endpointer.feed(self._voice_activity.probability(block))
        if turn is Turn.START:
            start = self._endpointer.speech_start - self._settings.pre_roll_ms * SAMPLES_PER_MS
            self._first, self._extent = max(self._settled, start // self._grid.stride, 0), None
        elif turn is Turn.PAUSE:
            if self._endpointer.silence_samples >= self._settings.final_pause_ms * SAMPLES_PER_MS:
                self._extent = self._ready
        elif turn is Turn.RESUME:
            self._extent = None
        elif turn is Turn.END:
            if self._endpointer.is_long_enough and self._first is not None:
                self._settled = self._extent or self._ready
                yield self._stretch(self._first, self._settled)
            self._first = None
            self._endpointer.end()
        elif turn is Turn.FULL and self._first is not None:
            frame = min(self._endpointer.cut() // self._grid.stride, self._ready)
            yield self._stretch(self._first, frame)
            self._first = self._settled = frame
        self._forget()

    def _end(self) -> Iterator[Stretch]:
        self._history.append(self._pending)
        if self._first is not None and self._endpointer.is_long_enough:
            start = self._grid.stride * self._first
            yield Stretch(self._first, self._history.between(start, self._history.end), True, self._history.end)

    @property
    def _ready(self) -> int:
        return self._grid.count(self._history.end)

    def _stretch(self, first: int, last: int) -> Stretch:
        start = self._grid.stride * first
        samples = self._history.between(start, start + self._grid.samples(last - first))
        return Stretch(first, samples, False, self._history.end)

    def _forget(self) -> None:
        """Keep the running stretch, or what may come before one that begins now."""
        if self._first is not None:
            self._history.forget(self._grid.stride * self._first)
        else:
            kept = (self._settings.pre_roll_ms + self._settings.min_silence_ms) * SAMPLES_PER_MS
            self._history.forget(self._history.end - kept - BLOCK_SAMPLES)
