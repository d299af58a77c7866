"""From the device's own rate to the model's, as the sound comes in."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

SAMPLE_RATE = 16000
"""Samples a second that every model here expects."""


class StreamResampler:
    """Mono float32 at `source_rate_hz` in, at `target_rate_hz` out; chunks of any size give what the whole gives."""

    def __init__(self, source_rate_hz: float, target_rate_hz: float = SAMPLE_RATE) -> None:
        self._is_identity = source_rate_hz == target_rate_hz
        self._stream = soxr.ResampleStream(source_rate_hz, target_rate_hz, 1, dtype="float32", quality="HQ")

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is ready after these samples; the filter holds some milliseconds back."""
        if self._is_identity:
            return samples
        return self._resampled(samples, last=False)

    def flush(self) -> NDArray[np.float32]:
        """What the filter held back. The next feed() starts a new stream."""
        if self._is_identity:
            return np.zeros(0, np.float32)
        rest = self._resampled(np.zeros(0, np.float32), last=True)
        self._stream.clear()
        return rest

    def _resampled(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        chunk = np.ascontiguousarray(samples, dtype=np.float32)
        result: NDArray[np.float32] = self._stream.resample_chunk(chunk, last=last)
        return result
