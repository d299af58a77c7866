"""Span masks (paper section 3.1; reference section 11). numpy only: training and the app draw by the same rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def draw_spans(size: int, prob: float, length: int, rng: np.random.Generator, *, min_spans: int = 0) -> Mask:
    """One row of `size` steps, True where masked: spans of `length` that may overlap.

    The number of spans is `prob * size / length`, rounded up or down at random; starts are distinct and uniform in
    [0, size - length), so the last step is never masked in rows longer than a span and its starts.
    """
    mask = np.zeros(size, dtype=bool)
    if prob <= 0 or size <= 0:
        return mask
    spans = max(min_spans, int(prob * size / length + rng.random()))
    if spans == 0:
        return mask
    if size <= length:
        length = max(1, size // 2)  # a row shorter than a span keeps half of its steps
    places = size - length
    if places <= spans:
        places = spans + 1
    starts = rng.choice(places, spans, replace=False)
    covered = starts[:, None] + np.arange(length)
    mask[covered[covered < size]] = True
    if mask.all():
        mask[rng.integers(size)] = False  # a fully masked row has no context to predict from
    return mask


def draw_time_mask(
    lengths: NDArray[np.int64],
    prob: float,
    length: int,
    rng: np.random.Generator,
    *,
    min_spans: int = 2,
    equalize: bool = False,
) -> Mask:
    """Rows of `lengths` valid frames each: (batch, max(lengths)), nothing masked in the padding.

    `equalize` un-masks random steps until all rows have the smallest row's count (fairseq's require_same_masks), so
    that masked frames form a rectangle.
    """
    rows = [draw_spans(int(size), prob, length, rng, min_spans=min_spans) for size in lengths]
    mask = np.zeros((len(rows), int(max(lengths))), dtype=bool)
    for place, row in enumerate(rows):
        mask[place, : len(row)] = row
    if equalize:
        least = int(mask.sum(axis=1).min())
        for row in mask:
            masked = np.flatnonzero(row)
            row[rng.choice(masked, len(masked) - least, replace=False)] = False
    return mask


def draw_channel_mask(rows: int, channels: int, prob: float, length: int, rng: np.random.Generator) -> Mask:
    """(rows, channels), True where a channel is set to zero for the whole row (fine-tuning)."""
    return np.stack([draw_spans(channels, prob, length, rng) for _ in range(rows)])


def draw_distractors(mask: Mask, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For every masked frame, `count` other masked frames of the same row, uniform, with replacement.

    `mask` is (batch, frames) with the same number M of masked frames in each row (at least 2). Returns (batch, M,
    count): indices in [0, M) among the row's masked frames, in order of time. Section 3.2 of the paper.
    """
    per_row = mask.sum(axis=1)
    masked = int(per_row[0])
    if (per_row != masked).any() or masked < 2:
        raise ValueError(f"distractors need the same number of masked frames, 2 or more, in each row, not {per_row}")
    picks = rng.integers(0, masked - 1, size=(len(mask), masked, count))
    own = np.arange(masked)[None, :, None]
    return picks + (picks >= own)


class LiveSpanMask:
    """The rule over frames that keep coming: drawn block by block, each block a row of its own."""

    def __init__(self, prob: float, length: int, min_spans: int, seed: int = 0, block_frames: int = 500) -> None:
        self._settings = (prob, length, min_spans)
        self._seed, self._block_frames = seed, block_frames
        self.reset()

    def reset(self) -> None:
        """Start again with the first block."""
        self._rng = np.random.default_rng(self._seed)
        self._drawn = np.zeros(0, dtype=bool)

    def take(self, frames: int) -> Mask:
        """The mask of the next `frames` frames."""
        prob, length, min_spans = self._settings
        while len(self._drawn) < frames:
            block = draw_spans(self._block_frames, prob, length, self._rng, min_spans=min_spans)
            self._drawn = np.concatenate((self._drawn, block))
        taken, self._drawn = self._drawn[:frames], self._drawn[frames:]
        return taken
