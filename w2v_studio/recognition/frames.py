"""Samples and frames.

samples  0         320        400   640   720        960  1040
frame 0  [---------------------)
frame 1            [-----------------------)
frame 2                             [----------------------)
so n frames need 320 n + 80 samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameGrid:
    """Frame f covers samples [stride f, stride f + field)."""

    stride: int = 320
    field: int = 400

    @property
    def overlap(self) -> int:
        """Samples that a chunk must read again to continue the frames of the one before: 80."""
        return self.field - self.stride

    def count(self, samples: int) -> int:
        """Whole frames in `samples`."""
        return 0 if samples < self.field else (samples - self.field) // self.stride + 1

    def samples(self, frames: int) -> int:
        """Samples that `frames` frames see."""
        return 0 if frames < 1 else self.stride * frames + self.overlap

    def padding(self, samples: int) -> int:
        """Zeros, fewer than a stride, that let the last of `samples` lie in a frame too; 0 for less than one frame."""
        return 0 if samples < self.field else -(samples - self.overlap) % self.stride

    def pad_tail(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The waveform with `padding` zeros at its end. Only for models whose frames do not see each other's
        samples: a group norm would mix the zeros into all frames.
        """
        return np.pad(waveform, (0, self.padding(len(waveform))))
