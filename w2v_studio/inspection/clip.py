"""A recording and the pages in which it is looked at. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from w2v_studio.inspection.analysis import Floats

SAMPLE_RATE = 16000
STRIDE_SAMPLES = 320
LEAST_SAMPLES = 400
PAGE_S = 60
"""At most this much is analysed and shown at once, so that drawing a new mask stays quick on a processor."""

CUT_S = 5
"""A page ends at the quietest place of its last 5 s: a cut through a word would cost that word."""


class ClipError(ValueError):
    """A recording that cannot be inspected. The message says why and what would do."""


@dataclass(frozen=True)
class Page:
    """Samples [start, end) of a clip; `start` lies on a frame."""

    start: int
    end: int

    @property
    def start_s(self) -> float:
        """Where the page begins in the recording, seconds."""
        return self.start / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Where the page ends in the recording, seconds."""
        return self.end / SAMPLE_RATE

    @property
    def first_frame(self) -> int:
        """Frames of the recording before the page."""
        return self.start // STRIDE_SAMPLES


def divide(waveform: Floats) -> tuple[Page, ...]:
    """Pages of up to a minute that join without gap; a recording of up to a minute is one page."""
    size, cut_size = PAGE_S * SAMPLE_RATE, CUT_S * SAMPLE_RATE
    pages = []
    start = 0
    while len(waveform) - start > size:
        earliest = start + size - cut_size
        end = earliest + quietest(waveform[earliest : start + size])
        pages.append(Page(start, end))
        start = end
    return (*pages, Page(start, len(waveform)))


def quietest(waveform: Floats) -> int:
    """Start of the frame in `waveform` (whole frames) around which 220 ms have the least energy."""
    energy = np.square(waveform.reshape(-1, STRIDE_SAMPLES)).sum(axis=1, dtype=np.float64)
    return int(np.convolve(energy, np.ones(11), "valid").argmin() + 5) * STRIDE_SAMPLES


@dataclass(frozen=True)
class Clip:
    """A decoded recording: `waveform` (samples,) float32 in -1 to 1, mono, 16 kHz."""

    path: Path
    waveform: Floats
    pages: tuple[Page, ...]

    @property
    def duration_s(self) -> float:
        """Length of the recording, seconds."""
        return len(self.waveform) / SAMPLE_RATE

    def samples(self, page: Page) -> Floats:
        """The waveform of `page`."""
        return self.waveform[page.start : page.end]


def make_clip(path: Path, waveform: Floats) -> Clip:
    """Divide `waveform` into pages. Raises ClipError where it is too short for a single frame."""
    if len(waveform) < LEAST_SAMPLES:
        raise ClipError(
            f"{path.name} has {len(waveform) / SAMPLE_RATE * 1000:.0f} ms of sound, and a single frame needs "
            f"{LEAST_SAMPLES / SAMPLE_RATE * 1000:.0f} ms: choose a longer recording"
        )
    return Clip(path, waveform, divide(waveform))
