"""Frames of a stream as its samples come in: each computed once where the model allows it, else window by window.

chunk 1  samples [0 ............ 2640)       frames 0 to 7       chunks start at multiples of 320
chunk 2            samples [2560 ............ 5200)  frames 8 to 15   and read 80 samples again
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.sessions import Recognizer

WINDOW_FRAMES = 100
"""What a model whose frames see the whole window is given to code the newest ones, 2 s."""


class History:
    """The newest rows of an endless array, by their index in the whole."""

    def __init__(self, empty: NDArray[np.float32]) -> None:
        self._rows = empty
        self._first = 0

    @property
    def end(self) -> int:
        """Rows in the whole."""
        return self._first + len(self._rows)

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add rows at the end."""
        self._rows = np.concatenate((self._rows, rows))

    def between(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows [start, stop). Raises IndexError for forgotten ones."""
        if not self._first <= start <= stop <= self.end:
            raise IndexError(f"rows {start} to {stop} asked of a history that holds {self._first} to {self.end}")
        return self._rows[start - self._first : stop - self._first]

    def forget(self, before: int) -> None:
        """Drop the rows before that index."""
        drop = min(before, self.end) - self._first
        if drop > 0:
            self._rows = self._rows[drop:].copy()
            self._first += drop


class LiveFeatures(Protocol):
    """Samples in, codes and latents of the stream's frames out."""

    cadence_samples: int
    """How often new frames are worth computing."""

    @property
    def frames(self) -> int:
        """Frames computed so far."""
        ...

    @property
    def samples(self) -> int:
        """Samples taken so far, padding included."""
        ...

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples of the stream."""
        ...

    def advance(self) -> NDArray[np.int64]:
        """Compute all frames that the samples allow; codes (new frames, groups)."""
        ...

    def finish(self) -> None:
        """No more samples will come: let the last ones lie in a frame too, where that is sound."""
        ...

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last) seen as one window, (frames, channels)."""
        ...

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        ...


class CachedFeatures:
    """For models with layer norm: a frame depends on its 400 samples only, so each is computed once, exactly."""

    cadence_samples = 2560

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer, self._grid = recognizer, recognizer.grid
        self._samples = History(np.zeros(0, np.float32))
        self._latents = History(np.zeros((0, recognizer.bundle.card.channels), np.float32))

    @property
    def frames(self) -> int:
        """Frames computed so far."""
        return self._latents.end

    @property
    def samples(self) -> int:
        """Samples taken so far, padding included."""
        return self._samples.end

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples of the stream."""
        self._samples.append(samples)

    def advance(self) -> NDArray[np.int64]:
        """Compute all frames that the samples allow; codes (new frames, groups)."""
        start, ready = self._grid.stride * self.frames, self._grid.count(self.samples)
        chunk = self._samples.between(start, max(start, self._grid.samples(ready)))
        features = self._recognizer.features(chunk)
        self._latents.append(features.latents)
        self._samples.forget(self._grid.stride * self.frames)
        return features.code_ids

    def finish(self) -> None:
        """Pad with zeros to a whole frame, as `transcribe` does."""
        self._samples.append(np.zeros(self._grid.padding(self.samples), np.float32))

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last), (frames, channels)."""
        return self._latents.between(first, last)

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        self._latents.forget(before)


class RecomputedFeatures:
    """For models with group norm or normalised input: every window is computed anew from its samples."""

    cadence_samples = 5120

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer, self._grid = recognizer, recognizer.grid
        self._samples = History(np.zeros(0, np.float32))
        self._frames = 0

    @property
    def frames(self) -> int:
        """Frames computed so far."""
        return self._frames

    @property
    def samples(self) -> int:
        """Samples taken so far."""
        return self._samples.end

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples of the stream."""
        self._samples.append(samples)

    def advance(self) -> NDArray[np.int64]:
        """Codes (new frames, groups) from a window of the last 2 s, or more where more is new."""
        ready = self._grid.count(self.samples)
        new = ready - self._frames
        if new == 0:
            return np.zeros((0, self._recognizer.bundle.card.codebook_groups), np.int64)
        first = max(0, min(self._frames, ready - WINDOW_FRAMES))
        codes = self._recognizer.features(self._window(first, ready)).code_ids
        self._frames = ready
        return codes[len(codes) - new :]

    def finish(self) -> None:
        """Nothing: zeros would change every frame of the window."""

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last) seen as one window, (frames, channels)."""
        return self._recognizer.features(self._window(first, last)).latents

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        self._samples.forget(self._grid.stride * min(before, self._frames - WINDOW_FRAMES))

    def _window(self, first: int, last: int) -> NDArray[np.float32]:
        start = self._grid.stride * first
        return self._samples.between(start, start + self._grid.samples(last - first))


def live_features(recognizer: Recognizer) -> LiveFeatures:
    """The kind that suits the recognizer's model."""
    return CachedFeatures(recognizer) if recognizer.caches_features else RecomputedFeatures(recognizer)
