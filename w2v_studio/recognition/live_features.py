"""Frames of a stream as its samples come in: each computed once where the model allows it, else window by window.

chunk 1  samples [0 ............ 2640)       frames 0 to 7       chunks start at multiples of 320
chunk 2            samples [2560 ............ 5200)  frames 8 to 15   and read 80 samples again

Three kinds of models (reference, streaming section 1):
- layer norm: a frame depends on its own samples only. CachedFeatures; partial and final texts see the same latents.
- layer norm behind a waveform of zero mean and unit variance: FrozenScaleFeatures. Partial texts use the mean and
  variance of the segment's first 3 s, frozen, so that frames can be kept; the final text those of the whole segment.
  Quiet speech is raised before the model sees it (quiet_speech.py): for partial texts by the gain of the segment so
  far, for the final text by that of the whole segment. Loud enough speech has gain 1 and the latents that are there.
- group norm over time: RecomputedFeatures. The norm lies inside the graph and sees the window, so each partial decode
  computes its window anew. As windows have a greatest length, the cost of a second of sound is bounded all the same.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.history import History
from w2v_studio.recognition.quiet_speech import gain, raised
from w2v_studio.recognition.sessions import Recognizer

Waveform = NDArray[np.float32]
Codes = NDArray[np.int64]

WINDOW_FRAMES = 100
"""What a model whose frames see the whole window is given to code the newest ones, 2 s."""
FREEZE_FRAMES = 150
"""Frames of a segment that its frozen statistics are taken from, 3 s."""


class LiveFeatures(Protocol):
    """Samples in, codes and latents of the stream's frames out. `reset` starts a new stream."""

    cadence_samples: int
    """How often new frames are worth computing."""

    @property
    def frames(self) -> int:
        """Frames computed or skipped so far."""
        ...

    @property
    def samples(self) -> int:
        """Samples taken so far, padding included."""
        ...

    def reset(self) -> None:
        """Forget the stream."""
        ...

    def push(self, samples: Waveform) -> None:
        """Take the next samples of the stream."""
        ...

    def advance(self, *, with_codes: bool = True) -> Codes:
        """Compute all frames that the samples allow; codes (new frames, groups), or no rows where not asked for."""
        ...

    def finish(self) -> None:
        """No more samples will come: let the last ones lie in a frame too, where that is sound."""
        ...

    def begin(self, first: int) -> None:
        """Speech begins at frame `first`: statistics of the speech before do not hold for it."""
        ...

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last) for a partial text, (frames, channels)."""
        ...

    def exact_latents(self, first: int, last: int) -> NDArray[np.float32]:
        """What offline recognition of frames [first, last) alone would see, (frames, channels)."""
        ...

    def skip(self, before: int) -> None:
        """Frames before that index need not be computed any more."""
        ...

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        ...


class CachedFeatures:
    """For models with layer norm: a frame depends on its 400 samples only, so each is computed once, exactly."""

    cadence_samples = 2560

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer, self._grid = recognizer, recognizer.grid
        self.reset()

    @property
    def frames(self) -> int:
        """Frames computed or skipped so far."""
        return self._latents.end

    @property
    def samples(self) -> int:
        """Samples taken so far, padding included."""
        return self._samples.end

    @property
    def nbytes(self) -> int:
        """Memory of all buffers, in bytes."""
        return self._samples.nbytes + self._latents.nbytes + self._raised.nbytes

    def reset(self) -> None:
        """Forget the stream."""
        self._samples = History(np.zeros(0, np.float32))
        self._latents = self._empty()
        self.begin(0)

    def push(self, samples: Waveform) -> None:
        """Take the next samples of the stream."""
        self._samples.append(samples)

    def advance(self, *, with_codes: bool = True) -> Codes:  # noqa: ARG002 (codes come with the latents)
        """Compute all frames that the samples allow; codes (new frames, groups)."""
        start, ready = self._grid.stride * self.frames, self._grid.count(self.samples)
        features = self._recognizer.features(self._samples.between(start, max(start, self._grid.samples(ready))))
        self._latents.append(features.latents)
        return features.code_ids

    def finish(self) -> None:
        """Pad with zeros to a whole frame, as `transcribe` does."""
        self._samples.append(np.zeros(self._grid.padding(self.samples), np.float32))

    def begin(self, first: int) -> None:
        """Frames know no segments, but how quiet speech is has to be found anew."""
        self._segment_first = first
        self._gain, self._mean = 1.0, np.float32(0)
        self._raised = self._empty()

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last), (frames, channels); raised where the segment is quiet so far."""
        start = max(self._segment_first, self._latents.first)
        heard = self._window(start, last)
        wanted = gain(heard)
        if wanted == 1:
            return self._latents.between(first, last)
        if wanted != self._gain:
            self._gain, self._mean, self._raised = wanted, heard.mean(), self._empty()
        self._raised.skip_to(start)
        if last > self._raised.end:
            more = (self._window(self._raised.end, last) - self._mean) * np.float32(wanted)
            self._raised.append(self._recognizer.features(more).latents)
        return self._raised.between(first, last)

    def exact_latents(self, first: int, last: int) -> NDArray[np.float32]:
        """What offline recognition of frames [first, last) alone would see, (frames, channels)."""
        heard = self._window(first, last)
        seen = raised(heard)
        return self._latents.between(first, last) if seen is heard else self._recognizer.features(seen).latents

    def skip(self, before: int) -> None:
        """Frames before that index need not be computed any more."""
        before = min(before, self._grid.count(self.samples))
        self._latents.skip_to(before)
        self._samples.forget(self._grid.stride * before)

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        self._latents.forget(before)
        self._raised.forget(before)
        self._samples.forget(self._grid.stride * min(before, self.frames))

    def _window(self, first: int, last: int) -> Waveform:
        start = self._grid.stride * first
        return self._samples.between(start, start + self._grid.samples(last - first))

    def _empty(self) -> History:
        return History(np.zeros((0, self._recognizer.bundle.card.channels), np.float32))


class RecomputedFeatures:
    """For models with group norm: every window is computed anew from its samples."""

    cadence_samples = 5120

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer, self._grid = recognizer, recognizer.grid
        self.reset()

    @property
    def frames(self) -> int:
        """Frames that the samples allowed at the last `advance`."""
        return self._frames

    @property
    def samples(self) -> int:
        """Samples taken so far."""
        return self._samples.end

    @property
    def nbytes(self) -> int:
        """Memory of all buffers, in bytes."""
        return self._samples.nbytes

    def reset(self) -> None:
        """Forget the stream."""
        self._samples = History(np.zeros(0, np.float32))
        self._frames = 0

    def push(self, samples: Waveform) -> None:
        """Take the next samples of the stream."""
        self._samples.append(samples)

    def advance(self, *, with_codes: bool = True) -> Codes:
        """Codes (new frames, groups) from a window of the last 2 s, or more where more is new."""
        ready = self._grid.count(self.samples)
        new, before, self._frames = ready - self._frames, self._frames, ready
        if new == 0 or not with_codes:
            return np.zeros((0, self._recognizer.bundle.card.codebook_groups), np.int64)
        first = max(0, min(before, ready - WINDOW_FRAMES), -(-self._samples.first // self._grid.stride))
        codes = self._recognizer.features(self._window(first, ready)).code_ids
        return codes[len(codes) - new :]

    def finish(self) -> None:
        """Nothing: zeros would change every frame of the window."""

    def begin(self, first: int) -> None:
        """Nothing: every window has its own statistics."""

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last) seen as one window, (frames, channels)."""
        return self._recognizer.features(raised(self._window(first, last))).latents

    def exact_latents(self, first: int, last: int) -> NDArray[np.float32]:
        """The same."""
        return self._recognizer.features(raised(self._window(first, last))).latents

    def skip(self, before: int) -> None:
        """Frames before that index need not be coded any more."""
        self._frames = max(self._frames, min(before, self._grid.count(self.samples)))
        self.forget(before)

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        self._samples.forget(self._grid.stride * min(before, self._frames - WINDOW_FRAMES))

    def _window(self, first: int, last: int) -> Waveform:
        start = self._grid.stride * first
        return self._samples.between(start, start + self._grid.samples(last - first))


class FrozenScaleFeatures(RecomputedFeatures):
    """For models with layer norm behind normalised input: mean and variance of a segment are frozen after 3 s.

    Until then a window is normalised by itself. The frozen ones hold until speech begins anew, across cuts of long
    speech too. They come from the segment's first 3 s exactly, so that no hop or chunk changes them.
    """

    def reset(self) -> None:
        """Forget the stream."""
        super().reset()
        self._kept = self._empty()
        self._segment_first = 0
        self._scale: tuple[float, float] | None = None

    @property
    def nbytes(self) -> int:
        """Memory of all buffers, in bytes."""
        return self._samples.nbytes + self._kept.nbytes

    def begin(self, first: int) -> None:
        """Take new statistics from frame `first` on."""
        self._segment_first, self._scale = first, None
        self._kept = self._empty()

    def latents(self, first: int, last: int) -> NDArray[np.float32]:
        """Latents of frames [first, last) with the segment's frozen statistics, once there are any."""
        oldest = -(-self._samples.first // self._grid.stride)
        if self._scale is None:
            start = max(self._segment_first, oldest)  # later where a long segment was cut before any partial text
            if last - start < FREEZE_FRAMES:
                return super().latents(first, last)
            seconds = self._window(start, start + FREEZE_FRAMES)
            # What is raised before it is normalised: the 1e-5 counts less.
            self._scale = float(seconds.mean()), float(np.sqrt(seconds.var() + 1e-5 / gain(seconds) ** 2))
            self._kept.skip_to(start)
        self._kept.skip_to(oldest)
        if last > self._kept.end:
            mean, deviation = self._scale
            chunk = (self._window(self._kept.end, last) - mean) / deviation
            self._kept.append(self._recognizer.features(chunk.astype(np.float32), is_normalized=True).latents)
        return self._kept.between(first, last)

    def forget(self, before: int) -> None:
        """Frames before that index will not be asked for."""
        super().forget(before)
        self._kept.forget(before)

    def _empty(self) -> History:
        return History(np.zeros((0, self._recognizer.bundle.card.channels), np.float32))


def live_features(recognizer: Recognizer) -> LiveFeatures:
    """The kind that suits the recognizer's model."""
    if recognizer.caches_features:
        return CachedFeatures(recognizer)
    if recognizer.bundle.card.feature_norm == "layer":
        return FrozenScaleFeatures(recognizer)
    return RecomputedFeatures(recognizer)
