"""What the listener heard and the recogniser has not taken yet."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class SampleQueue:
    """Samples at 16 kHz from one thread to another; nothing is dropped, the backlog can be asked.

    Taking costs the same however much waits, so that a machine that fell behind for an hour can catch up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: deque[Samples] = deque()
        self._waiting = 0
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Samples not taken yet."""
        return self._waiting

    def clear(self) -> None:
        """Begin a new stream."""
        with self._lock:
            self._pieces.clear()
            self._waiting, self._is_closed = 0, False

    def put(self, samples: Samples) -> None:
        """Add samples."""
        with self._lock:
            self._pieces.append(samples)
            self._waiting += len(samples)

    def close(self) -> None:
        """Nothing more will come."""
        with self._lock:
            self._is_closed = True

    def take(self, most: int) -> tuple[Samples, bool]:
        """Up to `most` samples, and whether the stream has ended with them."""
        with self._lock:
            taken: list[Samples] = [np.zeros(0, np.float32)]
            left = most
            while left > 0 and self._pieces:
                piece = self._pieces.popleft()
                if len(piece) > left:
                    self._pieces.appendleft(piece[left:])
                    piece = piece[:left]
                taken.append(piece)
                left -= len(piece)
            self._waiting -= most - left
            return np.concatenate(taken), self._is_closed and not self._waiting
