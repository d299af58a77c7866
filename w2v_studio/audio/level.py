"""How loud: peak and root mean square in decibels below full scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = -100.0


@dataclass(frozen=True)
class Level:
    """dBFS: 0 is full scale (a square wave of 1), silence is FLOOR_DB."""

    peak_db: float
    rms_db: float

    @property
    def is_clipping(self) -> bool:
        """Whether the loudest sample is at the limit."""
        return self.peak_db >= -0.01


def measure_level(samples: NDArray[np.float32]) -> Level:
    """Level of `samples` (any number of them, float32 in -1 to 1)."""
    if len(samples) == 0:
        return Level(FLOOR_DB, FLOOR_DB)
    peak = float(np.abs(samples).max())
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return Level(decibels(peak), decibels(rms))


def decibels(amplitude: float) -> float:
    """20 log10 of an amplitude, not below FLOOR_DB."""
    return max(FLOOR_DB, 20.0 * float(np.log10(amplitude))) if amplitude > 0 else FLOOR_DB
