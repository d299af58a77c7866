"""What the listener heard and the recogniser has not taken yet."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class SampleQueue:
    """Samples at 16 kHz from one thread to another; nothing is dropped, the backlog can be asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[Samples] = []
        self._waiting = 0
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Samples not taken yet."""
        return self._waiting

    def clear(self) -> None:
        """Begin a new stream."""
        with self._lock:
            self._pieces, self._waiting, self._is_closed = [], 0, False

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
            joined = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
            taken, rest = joined[:most], joined[most:]
            self._pieces = [rest] if len(rest) else []
            self._waiting = len(rest)
            return taken, self._is_closed and not len(rest)
