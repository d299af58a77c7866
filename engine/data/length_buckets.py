"""Batches of a few fixed lengths, so that a compiled network meets the same shapes again and again. No torch.

Fine-tuning pads a row up to the next of the lengths, pre-training crops it down; either way the lengths are chosen so
that as little audio as possible is lost or added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.data.examples import Example

GRID_S = 0.05
"""Lengths are chosen on this grid; no longer list of candidates is needed to be near the optimum."""
MARGIN_S = 0.005
"""What lengths in tables, rounded as they are, and resampling may be off by."""


def choose_lengths(durations: Sequence[float] | NDArray[np.float64], count: int, crop: bool) -> tuple[float, ...]:
    """At most `count` lengths, seconds, ascending: those with the least padding (or, with `crop`, the least cut off).

    Optimal on a grid of 50 ms, by dynamic programming over the histogram of the durations.
    """
    values = np.asarray(durations, dtype=np.float64)
    steps = np.floor((values - MARGIN_S) / GRID_S) if crop else np.ceil((values + MARGIN_S) / GRID_S)
    points, numbers = np.unique(np.maximum(steps, 1), return_counts=True)
    if crop:
        points, numbers = -points[::-1], numbers[::-1]
    total = np.concatenate(([0], np.cumsum(numbers)))
    weight = np.concatenate(([0], np.cumsum(numbers * points)))
    size = len(points)
    # cost[j, i]: points j..i-1 all go up to points[i - 1]
    last = np.concatenate(([0], points))
    cost = (total[None, :] - total[:, None]) * last[None, :] - (weight[None, :] - weight[:, None])
    cost = np.where(np.arange(size + 1)[:, None] < np.arange(size + 1)[None, :], cost, np.inf)
    best = np.full(size + 1, np.inf)
    best[0] = 0
    cuts = []
    for _ in range(min(count, size)):
        through = best[:, None] + cost
        cuts.append(through.argmin(axis=0))
        best = through.min(axis=0)
    chosen, place = [], size
    for cut in reversed(cuts):
        chosen.append(abs(points[place - 1]) * GRID_S)
        place = int(cut[place])
    return tuple(sorted(round(float(length), 3) for length in chosen))


def bucket_of(duration_s: float, lengths: Sequence[float], crop: bool) -> float | None:
    """The length that a row of `duration_s` gets: the next above, or with `crop` the next below; None outside."""
    if crop:
        below = [length for length in lengths if length <= duration_s - MARGIN_S]
        return max(below, default=None)
    return min((length for length in lengths if length >= duration_s + MARGIN_S), default=None)


def plan_fixed_batches(
    examples: Sequence[Example],
    limit_s: float,
    rng: np.random.Generator,
    lengths: Sequence[float],
    crop_s: float = float("inf"),
) -> tuple[list[list[Example]], list[Example]]:
    """Batches of rows of one bucket each, rows x bucket within `limit_s`, in random order; and the rows of no bucket.

    All batches of a bucket have as many rows but its last.
    """
    crop = crop_s != float("inf")
    rows: dict[float, list[Example]] = {}
    outside = []
    for place in rng.permutation(len(examples)):
        example = examples[place]
        bucket = bucket_of(min(example.duration_s, crop_s + MARGIN_S), lengths, crop)
        if bucket is None:
            outside.append(example)
        else:
            rows.setdefault(bucket, []).append(replace(example, bucket_s=bucket))
    batches = []
    for bucket, members in sorted(rows.items()):
        size = max(1, int(limit_s / bucket))
        batches += [members[start : start + size] for start in range(0, len(members), size)]
    return [batches[place] for place in rng.permutation(len(batches))], outside
