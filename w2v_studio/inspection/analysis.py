"""What a clip shows: spectrogram, use of the codes, where a code occurs, likely letters. numpy only, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.masking import Mask, draw_time_mask
from engine.text.ctc import Word
from engine.text.vocabulary import Vocabulary

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

WINDOW_S = 0.025
HOP_S = 0.010
DYNAMIC_RANGE_DB = 80.0
PERPLEXITY_EPSILON = 1e-7
FFT_BLOCK_COLUMNS = 2000


@dataclass(frozen=True)
class Spectrogram:
    """`decibels` (bins, columns) float32, lowest frequency first, 0 dB the loudest cell, floor at -80 dB.

    Column c shows the time `start_s + c * step_s` to `start_s + (c + 1) * step_s`; bins go from 0 to `top_hz`.
    """

    decibels: Floats
    start_s: float
    step_s: float
    top_hz: float


def spectrogram(waveform: Floats, sample_rate: int = 16000) -> Spectrogram:
    """Power of 25 ms Hann windows every 10 ms, in decibels below the loudest cell.

    A waveform shorter than a window gives no columns. A column is placed around the centre of its window.
    """
    size, hop = round(WINDOW_S * sample_rate), round(HOP_S * sample_rate)
    bins = 1 << (size - 1).bit_length()
    start_s = (size - hop) / 2 / sample_rate
    if len(waveform) < size:
        empty = np.zeros((bins // 2 + 1, 0), dtype=np.float32)
        return Spectrogram(empty, start_s, hop / sample_rate, sample_rate / 2)
    windows = sliding_window_view(waveform, size)[::hop]
    taper = np.hanning(size + 1)[:size].astype(np.float32)
    power = np.empty((bins // 2 + 1, len(windows)), dtype=np.float32)
    # In blocks: a whole minute of padded double-precision windows at once would take 50 MB.
    for first in range(0, len(windows), FFT_BLOCK_COLUMNS):
        block = windows[first : first + FFT_BLOCK_COLUMNS] * taper
        power[:, first : first + len(block)] = (np.abs(np.fft.rfft(block, bins)) ** 2).T
    loudest = max(float(power.max()), 1e-12)
    decibels = 10 * np.log10(np.maximum(power / loudest, 10 ** (-DYNAMIC_RANGE_DB / 10)))
    return Spectrogram(decibels.astype(np.float32), start_s, hop / sample_rate, sample_rate / 2)


def perplexity(shares: NDArray[np.floating]) -> float:
    """exp of the entropy of `shares` (entries,), which sum to 1; natural log, 1e-7 inside it (reference section 10)."""
    shares = shares.astype(np.float64)
    return float(np.exp(-np.sum(shares * np.log(shares + PERPLEXITY_EPSILON))))


@dataclass(frozen=True)
class CodeUsage:
    """How a clip uses the codebooks.

    `counts` (groups, entries) frames of each code; `code_perplexities` a group, from the chosen codes, and
    `prob_perplexities` a group, from the mean code probabilities; each from 1 to the number of entries. The published
    code_perplexity and prob_perplexity are the sums over groups. `pairs_used` and `pair_perplexity` count whole code
    tuples (for two groups, the pairs).
    """

    counts: Ids
    code_perplexities: tuple[float, ...]
    prob_perplexities: tuple[float, ...]
    pairs_used: int
    pair_perplexity: float

    @property
    def code_perplexity(self) -> float:
        """Summed over groups."""
        return sum(self.code_perplexities)

    @property
    def prob_perplexity(self) -> float:
        """Summed over groups."""
        return sum(self.prob_perplexities)

    @property
    def codes_used(self) -> tuple[int, ...]:
        """Distinct codes of each group."""
        return tuple(int(used) for used in (self.counts > 0).sum(axis=1))


def combined_ids(code_ids: Ids, entries: int) -> Ids:
    """One number a frame from `code_ids` (frames, groups): i_0 * V + i_1 for two groups."""
    combined = np.zeros(len(code_ids), dtype=np.int64)
    for column in code_ids.T:
        combined = combined * entries + column
    return combined


def code_usage(code_ids: Ids, code_probs: Floats) -> CodeUsage:
    """Usage over the frames of `code_ids` (frames, groups) and `code_probs` (frames, groups, entries); 1 frame or more.

    Raises ValueError on no frames, for which no share is defined.
    """
    frames, groups, entries = code_probs.shape
    if frames == 0:
        raise ValueError("code usage needs at least one frame")
    counts = np.stack([np.bincount(code_ids[:, group], minlength=entries) for group in range(groups)])
    means = code_probs.mean(axis=0, dtype=np.float64)
    _, pair_counts = np.unique(combined_ids(code_ids, entries), return_counts=True)
    return CodeUsage(
        counts=counts,
        code_perplexities=tuple(perplexity(row / frames) for row in counts),
        prob_perplexities=tuple(perplexity(row) for row in means),
        pairs_used=len(pair_counts),
        pair_perplexity=perplexity(pair_counts / frames),
    )


def occurrences(code_ids: Ids, group: int, code: int) -> list[tuple[int, int]]:
    """Runs of frames [start, end) in which `group` of `code_ids` (frames, groups) has chosen `code`."""
    chosen = np.concatenate(([False], code_ids[:, group] == code, [False]))
    edges = np.flatnonzero(chosen[1:] != chosen[:-1])
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def sample_range(start_frame: int, end_frame: int, stride: int = 320, receptive_field: int = 400) -> tuple[int, int]:
    """Samples [start, end) that frames [start_frame, end_frame) look at."""
    return start_frame * stride, (end_frame - 1) * stride + receptive_field


def letter_probabilities(logits: Floats) -> Floats:
    """Softmax of `logits` (frames, tokens)."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def likely_tokens(logits: Floats, vocabulary: Vocabulary, stride_s: float) -> list[Word]:
    """The likeliest tokens of `logits` (frames, tokens) but the blank, each run of one with its times in seconds.

    Confidence is the greatest probability in the run.
    """
    probabilities = letter_probabilities(logits)
    best = probabilities.argmax(axis=-1)
    edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
    return [
        Word(vocabulary.tokens[token], start * stride_s, end * stride_s, float(probabilities[start:end, token].max()))
        for start, end in pairwise(edges.tolist())
        if (token := int(best[start])) != vocabulary.blank
    ]


def top_letters(probabilities: Floats, count: int) -> tuple[Ids, Floats]:
    """The `count` likeliest tokens of each frame, best first, of `probabilities` (frames, tokens).

    Returns token ids and probabilities, both (frames, count).
    """
    order = np.argsort(-probabilities, axis=-1, kind="stable")[:, :count]
    return order.astype(np.int64), np.take_along_axis(probabilities, order, axis=-1)


def draw_mask(frames: int, prob: float, length: int, min_spans: int, seed: int) -> Mask:
    """The mask that training would draw for a row of `frames`, (frames,) True where masked; same seed, same mask."""
    rng = np.random.default_rng(seed)
    mask: Mask = draw_time_mask(np.array([frames], dtype=np.int64), prob, length, rng, min_spans=min_spans)[0]
    return mask


def mask_spans(mask: Mask) -> list[tuple[int, int]]:
    """Merged runs of masked frames [start, end)."""
    return occurrences(mask.astype(np.int64)[:, None], 0, 1)
