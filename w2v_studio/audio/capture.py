"""Sound from a microphone: PortAudio's callback fills a ring buffer, `read` empties it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.devices import AudioUnavailable, InputDevice, find_input_device, portaudio
from w2v_studio.audio.ring_buffer import RingBuffer

STALL_S = 2.0
"""A device that delivers nothing for so long is taken for unplugged."""
MOST_WAITING_S = 3600.0
"""Sound that may wait for a reader that is too slow; more than that is lost. At 48 kHz an hour takes 700 MB."""


class MicrophoneCapture:
    """A running recording of `device` (None: the default one) at its own rate, mono mix of at most 2 channels.

    Nothing is lost when `read` comes late: beyond `buffer_s` the buffer grows, up to an hour of sound.
    Use as a context manager, or call start() and stop(). `open_stream` makes the PortAudio stream from its keyword
    arguments, and `clock` gives seconds; both have their natural defaults. Raises AudioUnavailable when the device
    cannot be opened, and from read() when it fails later.
    """

    def __init__(
        self,
        device: InputDevice | None = None,
        *,
        buffer_s: float = 30.0,
        open_stream: Callable[..., Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = find_input_device() if device is None else device
        self.rate_hz = self.device.default_rate_hz
        self._channels = max(1, min(2, self.device.channels))
        self._ring = RingBuffer(
            int(buffer_s * self.rate_hz), self._channels, limit=int(max(buffer_s, MOST_WAITING_S) * self.rate_hz)
        )
        self._open_stream = open_stream
        self._clock = clock
        self._stream: Any = None
        self._heard_at = 0.0
        self._flagged = 0

    @property
    def overruns(self) -> int:
        """How often sound was lost: blocks that PortAudio flagged, and samples the ring buffer had no room for."""
        return self._flagged + self._ring.dropped

    @property
    def is_running(self) -> bool:
        """Whether start() was called and stop() was not."""
        return self._stream is not None

    def start(self) -> None:
        """Open the device and begin. Raises AudioUnavailable."""
        opener = portaudio().InputStream if self._open_stream is None else self._open_stream
        self._heard_at = self._clock()
        try:
            self._stream = opener(
                device=self.device.index,
                samplerate=self.rate_hz,
                channels=self._channels,
                dtype="float32",
                blocksize=0,
                latency="low",
                callback=self._take,
            )
            self._stream.start()
        except Exception as error:  # PortAudioError, and ValueError for settings the device refuses
            self.stop()
            raise AudioUnavailable(
                f"the microphone {self.device.name!r} cannot be opened ({error}); "
                f"close other programs that use it, or choose another one"
            ) from error

    def stop(self) -> None:
        """Close the device. What came in before can still be read. Harmless when not running."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def read(self) -> NDArray[np.float32]:
        """Mono samples at `rate_hz` that came in since the last call; none is an empty array, it never waits.

        Raises AudioUnavailable when the device stopped or went silent on the bus, after all it gave was read.
        """
        rows = self._ring.read()
        if len(rows) == 0 and self._stream is not None:
            self._check_alive()
        mono: NDArray[np.float32] = rows[:, 0] if self._channels == 1 else rows.mean(axis=1, dtype=np.float32)
        return mono

    def _check_alive(self) -> None:
        silent_s = self._clock() - self._heard_at
        if self._stream.active and silent_s < STALL_S:
            return
        problem = f"gave no sound for {silent_s:.0f} s" if self._stream.active else "stopped"
        raise AudioUnavailable(
            f"the microphone {self.device.name!r} {problem}; it may be unplugged: "
            f"plug it in again or choose another one, then start again"
        )

    def _take(self, rows: NDArray[np.float32], _frames: int, _time: Any, status: Any) -> None:
        """PortAudio's callback: copies and counts, nothing else, as a late return loses sound."""
        self._ring.write(rows)
        self._heard_at = self._clock()
        if status:
            self._flagged += 1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
