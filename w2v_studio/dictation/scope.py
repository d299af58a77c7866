"""The last seconds of a stream for display: written by the worker threads, read by the view about 30 times a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.level import FLOOR_DB, measure_level
from w2v_studio.audio.resample import SAMPLE_RATE

BIN_SAMPLES = 160
"""Samples in a bin of the envelope: 10 ms."""
KEPT_S = 16.0
"""More than a view shows, so that its left edge is never bare."""


class Recent:
    """The last `capacity` rows of an endless table; rows count from 0 for ever."""

    def __init__(self, capacity: int, row_shape: tuple[int, ...], dtype: type) -> None:
        self._rows: NDArray[np.generic] = np.zeros((capacity, *row_shape), dtype)
        self.count = 0

    def push(self, rows: NDArray[np.generic]) -> None:
        """Append rows; the oldest go."""
        kept = rows[-len(self._rows) :]
        first = self.count + len(rows) - len(kept)
        self._rows[(first + np.arange(len(kept))) % len(self._rows)] = kept
        self.count += len(rows)

    def tail(self) -> tuple[int, NDArray[np.generic]]:
        """(number of the first row kept, copy of the rows kept)."""
        first = max(0, self.count - len(self._rows))
        return first, self._rows[np.arange(first, self.count) % len(self._rows)]


@dataclass(frozen=True, eq=False)
class ScopeSnapshot:
    """A copy for painting. Times in seconds of the stream.

    `minima` and `maxima` are the envelope, a bin each 10 ms, the first at `envelope_start_s`. `code_ids` (n, groups)
    and `time_mask` (n,) begin with frame `first_frame`. The levels are the loudest since the snapshot before, dBFS.
    """

    now_s: float
    envelope_start_s: float
    minima: NDArray[np.float32]
    maxima: NDArray[np.float32]
    first_frame: int
    code_ids: NDArray[np.int64]
    time_mask: NDArray[np.bool_]
    peak_db: float
    rms_db: float


class Scope:
    """Envelope, codes, mask and level of the running stream. Every method may be called from any thread."""

    def __init__(self, groups: int = 2) -> None:
        self._lock = threading.Lock()
        self.clear(groups)

    def clear(self, groups: int = 2) -> None:
        """A new stream begins at 0."""
        with self._lock:
            self._envelope = Recent(round(KEPT_S * SAMPLE_RATE / BIN_SAMPLES), (2,), np.float32)
            self._codes = Recent(round(KEPT_S * 50), (groups,), np.int64)
            self._mask = Recent(round(KEPT_S * 50), (), np.bool_)
            self._rest = np.zeros(0, np.float32)
            self._samples = 0
            self._pushed_at = time.monotonic()
            self._is_running = False
            self._peak_db = self._rms_db = FLOOR_DB

    @property
    def samples(self) -> int:
        """Samples of the stream so far, 16000 a second."""
        return self._samples

    def push_samples(self, samples: NDArray[np.float32]) -> None:
        """New sound, float32 at 16 kHz."""
        level = measure_level(samples)
        with self._lock:
            joined = np.concatenate((self._rest, samples))
            whole = len(joined) - len(joined) % BIN_SAMPLES
            bins = joined[:whole].reshape(-1, BIN_SAMPLES)
            self._envelope.push(np.stack((bins.min(axis=1), bins.max(axis=1)), axis=1))
            self._rest = joined[whole:].copy()
            self._samples += len(samples)
            self._pushed_at = time.monotonic()
            self._is_running = True
            self._peak_db = max(self._peak_db, level.peak_db)
            self._rms_db = max(self._rms_db, level.rms_db)

    def push_frames(self, first_frame: int, code_ids: NDArray[np.int64], time_mask: NDArray[np.bool_]) -> None:
        """New frames (n, groups) and their mask (n,). Where frames are missing before them, the lanes start anew."""
        with self._lock:
            if code_ids.shape[1:] != self._codes.tail()[1].shape[1:] or first_frame != self._codes.count:
                self._codes = Recent(round(KEPT_S * 50), code_ids.shape[1:], np.int64)
                self._mask = Recent(round(KEPT_S * 50), (), np.bool_)
                self._codes.count = self._mask.count = first_frame
            self._codes.push(code_ids)
            self._mask.push(time_mask)

    def hold(self) -> None:
        """The stream ended: the clock stands still."""
        with self._lock:
            self._is_running = False

    def snapshot(self) -> ScopeSnapshot:
        """A copy of all, and the levels start anew. Between blocks the clock runs on, up to 0.1 s."""
        with self._lock:
            ahead_s = min(time.monotonic() - self._pushed_at, 0.1) if self._is_running else 0.0
            first_bin, envelope = self._envelope.tail()
            first_frame, code_ids = self._codes.tail()
            _, time_mask = self._mask.tail()
            result = ScopeSnapshot(
                self._samples / SAMPLE_RATE + ahead_s,
                first_bin * BIN_SAMPLES / SAMPLE_RATE,
                envelope[:, 0].astype(np.float32),
                envelope[:, 1].astype(np.float32),
                first_frame,
                code_ids.astype(np.int64),
                time_mask.astype(np.bool_),
                self._peak_db,
                self._rms_db,
            )
            self._peak_db = self._rms_db = FLOOR_DB
            return result
