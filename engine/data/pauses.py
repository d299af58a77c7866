"""Where a transcribed recording can be cut: in pauses that the sound shows and between words that an alignment gives.

sound   ▂▅▆▂▁▁▁▁▃▆▇▅▁▃▆▅▂▁▁▁▁▁
quiet         |..|          |...|     long enough, much quieter than the speech of the same recording
words   | THE  |      | CAT  | SAT |
cut             ^                     between two words, and in what is quiet

An alignment by a model that makes many errors is still right about most pauses, and where it is not, it rarely puts the
gap between two words exactly on one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word

STEP_S = 0.01
SMOOTHED_STEPS = 3
QUIET_SHARE = 0.3
"""Quiet is what lies below this share of the way from the quietest steps (5 %) to the loud ones (90 %), in decibels."""
LEAST_PAUSE_S = 0.2
"""With 0.12 s, 12 % of the cuts of an early model lay between wrong words, with 0.2 s 2 to 5 % (docs/small-runs.md)."""
LEAST_PIECE_S = 1.5

Pause = tuple[float, float]


def find_pauses(waveform: NDArray[np.float32], rate: int, least_s: float = LEAST_PAUSE_S) -> list[Pause]:
    """(start, end) in seconds of the quiet stretches of a mono waveform (N,) at `rate` Hz, at least `least_s` long."""
    step = max(1, round(rate * STEP_S))
    blocks = waveform[: len(waveform) // step * step].reshape(-1, step)
    if len(blocks) < SMOOTHED_STEPS:
        return []
    level = 10 * np.log10((blocks.astype(np.float64) ** 2).mean(axis=1) + 1e-10)
    level = np.convolve(level, np.full(SMOOTHED_STEPS, 1 / SMOOTHED_STEPS), mode="same")
    quietest, loud = np.percentile(level, (5, 90))
    is_quiet = level < quietest + QUIET_SHARE * (loud - quietest)
    edges = np.flatnonzero(np.diff(is_quiet, prepend=False, append=False))
    times = (edges * step / rate).tolist()
    # A hair less, as times of whole steps are not exact.
    return [(start, end) for start, end in zip(times[::2], times[1::2], strict=True) if end - start >= least_s - 1e-6]


def choose_cuts(
    words: Sequence[Word], pauses: Sequence[Pause], duration_s: float, least_s: float = LEAST_PIECE_S
) -> list[tuple[int, float]]:
    """Cuts as (words before it, time in seconds), in order; each piece has words and `least_s`."""
    cuts: list[tuple[int, float]] = []
    last, last_s = 0, 0.0
    for start, end in pauses:
        time_s = (start + end) / 2
        before = sum(word.end_s <= time_s for word in words)
        if min(time_s - last_s, duration_s - time_s) < least_s or not last < before < len(words):
            continue
        if words[before].start_s >= time_s:
            cuts.append((before, time_s))
            last, last_s = before, time_s
    return cuts
