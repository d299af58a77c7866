"""How fast a model runs on this machine, and what live recognition should be set to. Times are of the wall clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.pace import HOP_PER_DECODE
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

WINDOWS_S = (2, 4, 8, 16, 20)
"""Windows in use: up to 8 s live, the longer ones for final texts and files."""
LIVE_WINDOWS_S = (2, 4, 8)
HOP_STEP_MS = 160
"""Hops are multiples of it: 8 frames, 5 blocks of voice activity."""
LEAST_RUNS = 3
RUN_BUDGET_S = 1.5
"""A window is measured again and again for so long, but at least three times."""
QUIET_DB = -60.0


@dataclass(frozen=True)
class WindowSpeed:
    """Median seconds that the two graphs need for a window of `window_s` seconds, and the least and most of all."""

    threads: int
    window_s: int
    features_s: float
    context_s: float
    least_s: float
    most_s: float
    runs: int

    @property
    def total_s(self) -> float:
        """Both graphs."""
        return self.features_s + self.context_s

    @property
    def per_audio_s(self) -> float:
        """Seconds for a second of sound."""
        return self.total_s / self.window_s


@dataclass(frozen=True)
class LiveSpeed:
    """A stream of speech recognised live: shares of the sound's duration, and how late the latest result was.

    `final_p95_s` is from the end of a segment to its final text.
    """

    threads: int
    load: float
    silence_cpu: float
    voice_activity: float
    latest_s: float
    final_p95_s: float
    sound_s: float


@dataclass(frozen=True)
class Advice:
    """What suits this machine. `is_fast_enough`: words come while somebody speaks."""

    threads: int
    window_s: int
    hop_ms: int
    is_fast_enough: bool


def measure_windows(recognizer: Recognizer, speech: NDArray[np.float32], threads: int) -> list[WindowSpeed]:
    """Every window of `WINDOWS_S`, filled with `speech` (16 kHz) over and over."""
    found = []
    for window_s in WINDOWS_S:
        samples = recognizer.grid.samples(50 * window_s)
        waveform = np.resize(speech, samples)
        latents = recognizer.features(waveform).latents
        recognizer.context(latents)
        features: list[float] = []
        context: list[float] = []
        began = time.perf_counter()
        while len(features) < LEAST_RUNS or time.perf_counter() - began < RUN_BUDGET_S:
            features.append(_seconds(lambda waveform=waveform: recognizer.features(waveform)))  # type: ignore[misc]
            context.append(_seconds(lambda latents=latents: recognizer.context(latents)))  # type: ignore[misc]
        totals = [a + b for a, b in zip(features, context, strict=True)]
        medians = statistics.median(features), statistics.median(context)
        found.append(WindowSpeed(threads, window_s, *medians, min(totals), max(totals), len(totals)))
    return found


def measure_live(
    recognizer: Recognizer, speech: NDArray[np.float32], threads: int, settings: LiveSettings | None = None
) -> LiveSpeed:
    """Recognise `speech` as it would arrive: a block is taken when it is there and the one before is done."""
    live = LiveRecognizer(recognizer, VoiceActivity(), settings)
    now = busy = latest = 0.0
    late_finals: list[float] = []
    for start in range(0, len(speech), BLOCK_SAMPLES):
        block = speech[start : start + BLOCK_SAMPLES]
        arrived = (start + len(block)) / recognizer.bundle.card.sample_rate
        began = time.perf_counter()
        updates = live.feed(block)
        took = time.perf_counter() - began
        busy += took
        now = max(now, arrived) + took
        latest = max(latest, now - arrived)
        late_finals += [now - arrived for update in updates if hasattr(update, "words")]
    sound_s = len(speech) / recognizer.bundle.card.sample_rate
    return LiveSpeed(
        threads,
        busy / sound_s,
        _silence_cpu(live),
        _voice_activity_share(),
        latest,
        float(np.quantile(late_finals, 0.95)) if late_finals else 0.0,
        sound_s,
    )


def advise(windows: Sequence[WindowSpeed], live: Sequence[LiveSpeed]) -> Advice:
    """The threads that decode an 8 s window soonest, and the longest live window that a hop below 1 s allows."""
    settings = LiveSettings()
    best = min((speed for speed in windows if speed.window_s == max(LIVE_WINDOWS_S)), key=lambda speed: speed.total_s)
    own = {speed.window_s: speed for speed in windows if speed.threads == best.threads}
    fitting = [s for s in LIVE_WINDOWS_S if 1000 * HOP_PER_DECODE * own[s].context_s <= settings.max_hop_ms]
    window_s = max(fitting, default=min(LIVE_WINDOWS_S))
    wanted_ms = 1000 * HOP_PER_DECODE * own[window_s].context_s
    hop_ms = min(settings.max_hop_ms, max(settings.hop_ms, -(-round(wanted_ms) // HOP_STEP_MS) * HOP_STEP_MS))
    load = min(speed.load for speed in live if speed.threads == best.threads)
    return Advice(best.threads, window_s, hop_ms, bool(fitting) and load < 1)


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _silence_cpu(live: LiveRecognizer, seconds: int = 20) -> float:
    """CPU time for a second of a quiet room; without the cost of waking up, as nothing is waited for."""
    live.reset()
    room = np.random.default_rng(0).normal(0, 10 ** (QUIET_DB / 20), seconds * 16_000).astype(np.float32)
    live.feed(room[:16_000])
    began = time.process_time()
    for start in range(0, len(room), BLOCK_SAMPLES):
        live.feed(room[start : start + BLOCK_SAMPLES])
    return (time.process_time() - began) / seconds


def _voice_activity_share(blocks: int = 300) -> float:
    voice_activity = VoiceActivity()
    block = np.zeros(BLOCK_SAMPLES, np.float32)
    times = [_seconds(lambda: voice_activity.probability(block)) for _ in range(blocks)]
    return statistics.median(times) * 16_000 / BLOCK_SAMPLES
