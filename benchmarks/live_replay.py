"""Plays a stream to a live recogniser on a clock of its own, on which a second of sound takes a second.

Computing takes the time that it takes: a block is taken when it has arrived and the one before is done. So a minute of
sound is measured in the seconds that its recognition needs, with the latencies that somebody would see.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.sessions import ContextOutput, Features, Recognizer
from w2v_studio.recognition.updates import FinalUpdate, LiveUpdate, PartialUpdate, SpeechUpdate
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

RATE = 16000


class TimedRecognizer:
    """Passes on to `words`, and counts calls and time. With `load`, time is that of `load` on inputs as long:
    what a larger model would need, while the words are those of one that knows some.
    """

    def __init__(self, words: Recognizer, load: Recognizer | None = None) -> None:
        self._words, self._load = words, load
        self.busy_s = self.cpu_s = 0.0
        """In the graphs that count; by the wall clock, and of all cores together, which other programs disturb less."""
        self.uncounted_s = 0.0
        self.decodes = 0
        self.decoded_frames = 0
        self._noise = np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._words, name)

    def clock(self) -> float:
        """Seconds, as if only what counts took time."""
        return time.perf_counter() - self.uncounted_s

    def features(self, waveform: np.ndarray, *, is_normalized: bool = False) -> Features:
        return self._timed(
            lambda: self._words.features(waveform, is_normalized=is_normalized),
            lambda load: load.features(waveform, is_normalized=is_normalized),
        )

    def context(self, latents: np.ndarray, time_mask: np.ndarray | None = None) -> ContextOutput:
        self.decodes += 1
        self.decoded_frames += len(latents)
        noise = None
        if self._load is not None:
            began = time.perf_counter()
            noise = self._noise.normal(size=(len(latents), self._load.bundle.card.channels)).astype(np.float32)
            self.uncounted_s += time.perf_counter() - began
        return self._timed(lambda: self._words.context(latents, time_mask), lambda load: load.context(noise))

    def _timed(self, words: Callable[[], Any], load: Callable[[Recognizer], Any]) -> Any:
        began, began_cpu = time.perf_counter(), time.process_time()
        result = words()
        if self._load is not None:
            self.uncounted_s += time.perf_counter() - began
            began, began_cpu = time.perf_counter(), time.process_time()
            load(self._load)
        self.busy_s += time.perf_counter() - began
        self.cpu_s += time.process_time() - began_cpu
        return result


@dataclass
class Shown:
    """An update, when its last block had arrived, and when it was there; seconds of the stream."""

    update: LiveUpdate
    heard_s: float
    shown_s: float
    was_prepared: bool


@dataclass
class Replay:
    shown: list[Shown]
    graphs_cpu_s: float
    """CPU time in the two graphs."""
    total_s: float
    """Time in feed(), all included."""
    decodes: int
    decoded_frames: int
    late_s: float
    """How far behind it was at worst."""

    def of_kind(self, kind: type) -> list[Any]:
        return [shown.update for shown in self.shown if isinstance(shown.update, kind)]

    @property
    def text(self) -> str:
        return " ".join(update.text for update in self.of_kind(FinalUpdate) if update.text)

    @property
    def final_latencies(self) -> list[float]:
        """From the endpoint event to the final text."""
        return [
            later.shown_s - later.heard_s
            for before, later in zip(self.shown, self.shown[1:], strict=False)
            if isinstance(later.update, FinalUpdate) and isinstance(before.update, SpeechUpdate)
        ]

    @property
    def hits(self) -> float:
        """Share of final texts that were ready at the endpoint."""
        finals = [shown for shown in self.shown if isinstance(shown.update, FinalUpdate)]
        return sum(shown.was_prepared for shown in finals) / max(1, len(finals))

    def displays(self, segment: int) -> list[tuple[float, str, str]]:
        """(time, settled text, text still open) of a segment, the final text as settled."""
        found = []
        for shown in self.shown:
            if isinstance(shown.update, PartialUpdate) and shown.update.segment == segment:
                found.append((shown.shown_s, shown.update.committed, shown.update.unstable))
            elif isinstance(shown.update, FinalUpdate) and shown.update.segment == segment:
                found.append((shown.shown_s, shown.update.text, ""))
        return found


def replay(
    recognizer: TimedRecognizer,
    waveform: np.ndarray,
    settings: LiveSettings,
    prepare: Callable[[LiveRecognizer], None] = lambda _: None,
) -> Replay:
    """All updates with their times. `prepare` may change the recogniser before it starts."""
    live = LiveRecognizer(recognizer, VoiceActivity(), settings, clock=recognizer.clock)  # type: ignore[arg-type]
    prepare(live)
    began_cpu, began_decodes, began_frames = recognizer.cpu_s, recognizer.decodes, recognizer.decoded_frames
    shown: list[Shown] = []
    now = total = late = 0.0
    for start in range(0, len(waveform), BLOCK_SAMPLES):
        block = waveform[start : start + BLOCK_SAMPLES]
        arrived = (start + len(block)) / RATE
        decodes, began = recognizer.decodes, recognizer.clock()
        updates = live.feed(block)
        took = recognizer.clock() - began
        now = max(now, arrived) + took
        total += took
        late = max(late, now - arrived)
        shown += [Shown(update, arrived, now, recognizer.decodes == decodes) for update in updates]
    shown += [Shown(update, arrived, now, False) for update in live.flush()]
    return Replay(
        shown,
        recognizer.cpu_s - began_cpu,
        total,
        recognizer.decodes - began_decodes,
        recognizer.decoded_frames - began_frames,
        late,
    )
