"""A ring buffer between PortAudio's callback and the thread that takes the sound away. It grows rather than lose sound.

One writer, one reader, no lock: each side moves its own position only, and reads the other's once.

            read                written
              v                    v
   [ . . . . . # # # # # # # # # # . . . ]   # unread; positions count up for ever, modulo the capacity when used

When it is full, the writer goes on in a further ring of twice the size, and the reader follows when it has emptied the
one before:

   ring  [ # # # # ]  -->  ring  [ # # # # # . . . ]
         ^ reader                          ^ writer
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class _Ring:
    """Preallocated float32 (capacity, channels), and the ring after it."""

    def __init__(self, capacity: int, channels: int) -> None:
        self.rows = np.zeros((capacity, channels), dtype=np.float32)
        self.written = 0
        self.read = 0
        self.later: _Ring | None = None

    def write(self, rows: Rows) -> int:
        """Copy in what fits; how many rows that were."""
        capacity = len(self.rows)
        size = min(len(rows), capacity - (self.written - self.read))
        place = self.written % capacity
        first = min(size, capacity - place)
        self.rows[place : place + first] = rows[:first]
        self.rows[: size - first] = rows[first:size]
        self.written += size  # last, so that the reader never sees a row before it is there
        return size

    def take(self, most: int) -> Rows:
        """A copy of the oldest unread rows, at most `most`."""
        capacity = len(self.rows)
        size = min(self.written - self.read, most)
        place = self.read % capacity
        first = min(size, capacity - place)
        taken = np.concatenate((self.rows[place : place + first], self.rows[: size - first]))
        self.read += size
        return taken


class RingBuffer:
    """Float32 rows of `channels`. Room for `capacity` is made at once, more when it is needed, up to `limit` rows
    (default: `capacity`). Rows beyond are dropped and counted, never written over.
    """

    def __init__(self, capacity: int, channels: int = 1, limit: int | None = None) -> None:
        self._channels = channels
        self._limit = capacity if limit is None else max(capacity, limit)
        self._reading = self._writing = _Ring(capacity, channels)
        self._written = self._read = self._dropped = 0

    @property
    def available(self) -> int:
        """Rows that wait to be read."""
        return self._written - self._read

    @property
    def dropped(self) -> int:
        """Rows lost so far because there was no room."""
        return self._dropped

    def write(self, rows: Rows) -> None:
        """Copy rows (n, channels) in. For the writer's thread only; allocates only where the buffer must grow."""
        fitting = min(len(rows), self._limit - self.available)
        done = self._writing.write(rows[:fitting])
        if done < fitting:
            later = _Ring(max(2 * len(self._writing.rows), fitting - done), self._channels)
            later.write(rows[done:fitting])
            self._writing.later = later  # with the rows in it: from here on nothing is written to the one before
            self._writing = later
        self._written += fitting
        self._dropped += len(rows) - fitting

    def read(self, limit: int | None = None) -> Rows:
        """A copy of the oldest unread rows, all or at most `limit`: (n, channels). For the reader's thread only."""
        wanted = self.available if limit is None else min(self.available, limit)
        parts = [self._reading.take(wanted)]
        left = wanted - len(parts[0])
        while left > 0 and self._reading.later is not None:
            self._reading = self._reading.later
            parts.append(self._reading.take(left))
            left -= len(parts[-1])
        taken = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._read += len(taken)
        return taken
