"""The newest rows of an endless array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class History:
    """Rows of an endless array by their index in the whole; old ones are forgotten on request.

    Appending costs time in proportion to what is appended, whatever is kept: the rows lie in a buffer that grows by
    doubling and whose free front is used again. It shrinks when far more is held than needed.
    """

    def __init__(self, empty: NDArray[np.float32]) -> None:
        self._buffer = np.zeros((256, *empty.shape[1:]), empty.dtype)
        self._start = self._stop = 0
        self._first = 0

    @property
    def first(self) -> int:
        """Index of the oldest row that is still there."""
        return self._first

    @property
    def end(self) -> int:
        """Rows in the whole."""
        return self._first + self._stop - self._start

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._buffer.nbytes

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add rows at the end."""
        if self._stop + len(rows) > len(self._buffer):
            self._make_room(len(rows))
        self._buffer[self._stop : self._stop + len(rows)] = rows
        self._stop += len(rows)

    def between(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows [start, stop), a copy. Raises IndexError for forgotten ones."""
        if not self._first <= start <= stop <= self.end:
            raise IndexError(f"rows {start} to {stop} asked of a history that holds {self._first} to {self.end}")
        place = self._start - self._first
        return self._buffer[place + start : place + stop].copy()

    def forget(self, before: int) -> None:
        """Drop the rows before that index."""
        drop = min(before, self.end) - self._first
        if drop > 0:
            self._start += drop
            self._first += drop

    def skip_to(self, index: int) -> None:
        """Go on at row `index` of the whole, if that lies ahead; all rows are dropped, those between never existed."""
        if index > self.end:
            self._start = self._stop = 0
            self._first = index

    def _make_room(self, more: int) -> None:
        """Move what is kept to the front of a buffer of at least twice, at most four times, what is then held."""
        kept = self._stop - self._start
        capacity = len(self._buffer)
        needed = max(256, 2 * (kept + more))
        target = self._buffer
        if capacity < needed or capacity > 2 * needed:
            target = np.empty((needed, *self._buffer.shape[1:]), self._buffer.dtype)
        target[:kept] = self._buffer[self._start : self._stop]
        self._buffer, self._start, self._stop = target, 0, kept
