"""A whole recording to text. Long ones go through in windows whose logits are joined before decoding.

window 0  |==================|..|                      = kept, . overlap whose logits are dropped
window 1                  |..|================|..|
window 2                                   |..|=======|
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word, decode_words, text_of
from w2v_studio.recognition.sessions import Features, Recognizer

WINDOW_FRAMES = 1000
"""Most frames the context network sees at once: 20 s."""
OVERLAP_FRAMES = 100
"""Frames of context on each inner side of a window, 2 s: more than the 64 its positional convolution reaches."""
SILENCE_PEAK = 1e-4
"""A recording that never exceeds this (-80 dBFS) has no speech in it; models invent letters in digital silence."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Transcript:
    """Text and words of a recording; times in seconds from its start, never beyond `duration_s`."""

    text: str
    words: list[Word]
    duration_s: float


@dataclass(frozen=True, eq=False)
class FileAnalysis:
    """What the model makes of a recording, a row a frame: latents (T, C), code_ids (T, G), code_probs (T, G, V),

    logits (T, tokens); words with times in seconds, and the text.
    """

    latents: NDArray[np.float32]
    code_ids: NDArray[np.int64]
    code_probs: NDArray[np.float32]
    logits: NDArray[np.float32]
    words: list[Word]
    text: str


def transcribe(recognizer: Recognizer, waveform: NDArray[np.float32]) -> Transcript:
    """Text of `waveform` (samples,), float32 at 16 kHz. Silent and very short recordings give no words."""
    duration_s = len(waveform) / recognizer.bundle.card.sample_rate
    if len(waveform) < recognizer.grid.field or np.abs(waveform).max() < SILENCE_PEAK:
        return Transcript("", [], duration_s)
    logits = np.concatenate([logits for _, logits in _windows(recognizer, waveform, None)])
    words = _words(recognizer, logits, duration_s)
    return Transcript(text_of(words), words, duration_s)


def analyse(
    recognizer: Recognizer, waveform: NDArray[np.float32], time_mask: NDArray[np.bool_] | None = None
) -> FileAnalysis:
    """All that the two graphs say about `waveform`; `time_mask` (T,) hides frames from the context network.

    T is `frame_count(recognizer, samples)`. Raises ValueError for a mask of another length.
    """
    frames = frame_count(recognizer, len(waveform))
    if time_mask is not None and len(time_mask) != frames:
        raise ValueError(f"the mask has {len(time_mask)} frames, the recording {frames}: draw it again")
    if frames == 0:
        nothing = recognizer.features(waveform)
        tokens = len(recognizer.bundle.vocabulary)
        no_logits = np.zeros((0, tokens), np.float32)
        return FileAnalysis(nothing.latents, nothing.code_ids, nothing.code_probs, no_logits, [], "")
    parts = list(_windows(recognizer, waveform, time_mask))
    logits = np.concatenate([logits for _, logits in parts])
    words: list[Word] = []
    if np.abs(waveform).max() >= SILENCE_PEAK:
        words = _words(recognizer, logits, len(waveform) / recognizer.bundle.card.sample_rate)
    return FileAnalysis(
        np.concatenate([features.latents for features, _ in parts]),
        np.concatenate([features.code_ids for features, _ in parts]),
        np.concatenate([features.code_probs for features, _ in parts]),
        logits,
        words,
        text_of(words),
    )


def frame_count(recognizer: Recognizer, samples: int) -> int:
    """Frames that `analyse` gives for a recording of that many samples."""
    grid = recognizer.grid
    return grid.count(samples + (grid.padding(samples) if recognizer.caches_features else 0))


def window_spans(frames: int, window: int = WINDOW_FRAMES, overlap: int = OVERLAP_FRAMES) -> list[tuple[Span, Span]]:
    """(seen, kept) frame spans: kept ones join without gap, seen ones are at most `window` long.

    Windows are equally long but for a frame, so that none is a stub without context.
    """
    if frames <= window:
        return [((0, frames), (0, frames))]
    count = -(-(frames - 2 * overlap) // (window - 2 * overlap))
    inner = frames - 2 * overlap
    edges = [0, *(overlap + inner * place // count for place in range(1, count)), frames]
    return [
        ((max(0, start - overlap), min(frames, stop + overlap)), (start, stop))
        for start, stop in itertools.pairwise(edges)
    ]


def _windows(
    recognizer: Recognizer, waveform: NDArray[np.float32], time_mask: NDArray[np.bool_] | None
) -> Iterator[tuple[Features, NDArray[np.float32]]]:
    """Features and logits of the kept frames of each window."""
    grid = recognizer.grid
    prepared = recognizer.normalized(waveform)
    if recognizer.caches_features:
        prepared = grid.pad_tail(prepared)
    frames = grid.count(len(prepared))
    for (first, last), (start, stop) in window_spans(frames):
        end = grid.stride * first + grid.samples(last - first)
        # The last window keeps samples beyond its last frame, as a group norm takes them into account.
        seen = prepared[grid.stride * first : end if stop < frames else None]
        features = recognizer.features(seen, is_normalized=True)
        mask = None if time_mask is None else time_mask[first:last]
        logits = recognizer.context(features.latents, mask).logits
        kept = slice(start - first, stop - first)
        yield (
            Features(features.latents[kept], features.code_ids[kept], features.code_probs[kept]),
            logits[kept],
        )


def _words(recognizer: Recognizer, logits: NDArray[np.float32], duration_s: float) -> list[Word]:
    """Words, their times cut at the end of the recording (the last frame may reach into the padding)."""
    bundle = recognizer.bundle
    words = decode_words(logits, bundle.vocabulary, bundle.stride_s)
    return [replace(word, start_s=min(word.start_s, duration_s), end_s=min(word.end_s, duration_s)) for word in words]
