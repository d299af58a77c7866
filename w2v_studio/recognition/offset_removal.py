"""A constant offset of the recording device, taken out of a stream or an array (audio/files.py does so for files).

block    |--quiet--|--speech--|--speech--|--quiet--|
mean        0.30       0.31       0.29      0.30        an offset: larger than what the block itself moves about it
                  taken out from the first such block on, following the mean of about the last two seconds
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.files import LEAST_OFFSET

Block = NDArray[np.float32]

SECOND = 16_000
"""Samples a second of what is recognised."""
MEAN_BLOCKS = 64
"""Blocks that the mean is taken over, 2 s of 32 ms each: over that, speech has a mean of 0.0005 at most."""


def without_offset(waveform: Block) -> Block:
    """A whole recording (samples,) without its offset; itself where it has none."""
    if len(waveform) == 0:
        return waveform
    mean = waveform.mean()
    # Over less than a second, a low sound has a mean of its own.
    least = LEAST_OFFSET if len(waveform) >= SECOND else max(LEAST_OFFSET, float(waveform.std()))
    result: Block = waveform - mean if abs(mean) > least else waveform
    return result


class OffsetRemoval:
    """Blocks of equal size in and out; a stream without an offset passes unchanged."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._blocks = 0
        self._mean = self._offset = 0.0

    def take(self, block: Block) -> Block:
        """The next block without the offset."""
        own = float(block.mean())
        self._blocks = min(self._blocks + 1, MEAN_BLOCKS)
        self._mean += (own - self._mean) / self._blocks
        before = self._offset
        if before == 0:
            # Speech alone swings wider than its mean, and a thud of the microphone has none over seconds.
            is_offset = min(abs(own), abs(self._mean)) > max(LEAST_OFFSET, float(block.std()))
            before = self._offset = self._mean if is_offset else 0.0
        else:
            self._offset = self._mean if abs(self._mean) > LEAST_OFFSET / 2 else 0.0
        if before == self._offset == 0:
            return block
        # Slowly from the one to the other, as a step would be a click.
        result: Block = block - np.linspace(before, self._offset, len(block), endpoint=False, dtype=np.float32)
        return result

    def rest(self, samples: Block) -> Block:
        """The last samples of the stream, fewer than a block."""
        return samples if self._offset == 0 else samples - np.float32(self._offset)
