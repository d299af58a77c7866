"""A recording played to live recognition by a virtual clock, as a microphone would deliver it.

sound     |--block--|--block--|--block--|--block--|
                    ^ delivered
compute-aware        [work]    [- work -----][work]     the next block waits for the work, words show when it is done
otherwise           .         .         .               work takes no time: what the settings alone make of it
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.decoding.decoder import LiveDecoders
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import FinalUpdate, LiveUpdate
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

LEAD_S = 0.5
"""Silence before a recording, so that its first word does not meet a cold start."""
TAIL_S = 1.5
"""Silence after it, so that its last word ends as in a room."""


@dataclass(frozen=True)
class Event:
    """An update, when the work that made it began, and when it could be seen; seconds of the played sound."""

    update: LiveUpdate
    began_s: float
    shown_s: float


@dataclass(frozen=True)
class Replay:
    """What came of one recording. Times count from the start of the lead; `busy_s` is the time of the work."""

    events: tuple[Event, ...]
    audio_s: float
    busy_s: float

    @property
    def text(self) -> str:
        """The final text."""
        finals = (event.update.text for event in self.events if isinstance(event.update, FinalUpdate))
        return " ".join(text for text in finals if text)


def as_played(waveform: NDArray[np.float32], rate: int = 16000) -> NDArray[np.float32]:
    """A recording, float32 at `rate`, between lead and tail."""
    return np.concatenate(
        (np.zeros(round(LEAD_S * rate), np.float32), waveform, np.zeros(round(TAIL_S * rate), np.float32))
    )


class Player:
    """Plays recordings one after the other. `timer` (seconds) measures the work."""

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        compute_aware: bool,
        decoders: LiveDecoders | None = None,
        settings: LiveSettings | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._aware, self._timer = compute_aware, timer
        self._rate = recognizer.bundle.card.sample_rate
        # A clock that stands: live recognition then follows its settings and not the machine.
        clock = timer if compute_aware else lambda: 0.0
        self._live = LiveRecognizer(recognizer, VoiceActivity(), settings, clock=clock, decoders=decoders)
        recognizer.warm_up()

    def play(self, sound: NDArray[np.float32]) -> Replay:
        """Play what `as_played` gives."""
        self._live.reset()
        events: list[Event] = []
        free_s = busy_s = 0.0
        for start in [*range(0, len(sound), BLOCK_SAMPLES), len(sound)]:
            block = sound[start : start + BLOCK_SAMPLES]
            began_s = max(free_s, (start + len(block)) / self._rate)
            before = self._timer()
            updates = self._live.feed(block) if len(block) else self._live.flush()
            taken_s = self._timer() - before
            busy_s += taken_s
            free_s = began_s + taken_s if self._aware else began_s
            events += [Event(update, began_s, free_s) for update in updates]
        return Replay(tuple(events), len(sound) / self._rate, busy_s)
