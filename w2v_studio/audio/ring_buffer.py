"""A ring buffer between PortAudio's callback and the thread that takes the sound away.

One writer, one reader, no lock: each side moves its own position only, and reads the other's once.

            read                written
              v                    v
   [ . . . . . # # # # # # # # # # . . . ]   # unread; positions count up for ever, modulo the capacity when used
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class RingBuffer:
    """Preallocated float32 (capacity, channels). Rows that do not fit are dropped and counted, never written over."""

    def __init__(self, capacity: int, channels: int = 1) -> None:
        self._rows = np.zeros((capacity, channels), dtype=np.float32)
        self._written = 0
        self._read = 0
        self._dropped = 0

    @property
    def available(self) -> int:
        """Rows that wait to be read."""
        return self._written - self._read

    @property
    def dropped(self) -> int:
        """Rows lost so far because the reader was too late."""
        return self._dropped

    def write(self, rows: NDArray[np.float32]) -> None:
        """Copy rows (n, channels) in. For the writer's thread only; allocates no arrays but views."""
        capacity = len(self._rows)
        size = min(len(rows), capacity - (self._written - self._read))
        place = self._written % capacity
        first = min(size, capacity - place)
        self._rows[place : place + first] = rows[:first]
        self._rows[: size - first] = rows[first:size]
        self._written += size  # last, so that the reader never sees a row before it is there
        self._dropped += len(rows) - size

    def read(self, limit: int | None = None) -> NDArray[np.float32]:
        """A copy of the oldest unread rows, all or at most `limit`: (n, channels). For the reader's thread only."""
        capacity = len(self._rows)
        size = self._written - self._read
        if limit is not None:
            size = min(size, limit)
        place = self._read % capacity
        first = min(size, capacity - place)
        taken = np.concatenate((self._rows[place : place + first], self._rows[: size - first]))
        self._read += size
        return taken
