"""What a recording is like, found by reading all of it: rate, channels, level, clipping, and marks to find it again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.audio import SAMPLE_RATE, Waveform, as_mono, read_native
from engine.data.audit.duplicates import Signature, signature_of
from engine.data.durations import Report
from engine.data.manifest import Clip, DataError

NEAR_FULL_SCALE = 0.99
NEAR_PEAK = 0.98
LEAST_PEAK = 0.1
"""A recording whose peaks are below this is not called clipped, however flat they are."""
LEVEL_WINDOW_S = 0.2
SILENCE_DBFS = -120.0
CHUNK = 64


@dataclass(slots=True)
class ClipFacts:
    """One clip as it was heard. `error` says why there is nothing else to say.

    `level_dbfs` is the loudest 0.2 s, `clipped` the share of samples that stand at a limit, 0 to 1. `digest` is equal
    for equal samples at 16 kHz, `signature` is near for the same recording in another encoding.
    """

    error: str = ""
    rate: int = 0
    channels: int = 0
    duration_s: float = 0.0
    level_dbfs: float = SILENCE_DBFS
    clipped: float = 0.0
    digest: bytes = b""
    signature: Signature | None = None


def clipped_share(samples: Waveform) -> float:
    """Share of samples (N, channels) at full scale, or that repeat the one before at the recording's own peak."""
    if not samples.size:
        return 0.0
    size = np.abs(samples)
    peak = float(size.max())
    if peak < LEAST_PEAK:
        return 0.0
    full = np.count_nonzero(size >= NEAR_FULL_SCALE)
    flat = np.count_nonzero((samples[1:] == samples[:-1]) & (size[1:] >= NEAR_PEAK * peak))
    return max(full, flat) / samples.size


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Mean power of the loudest 0.2 s, in decibels below full scale."""
    window = min(len(samples), round(LEVEL_WINDOW_S * SAMPLE_RATE))
    if window == 0:
        return SILENCE_DBFS
    whole = samples[: len(samples) // window * window].astype(np.float32).reshape(-1, window) / 32768
    power = float(np.mean(np.square(whole), axis=1).max())
    return max(SILENCE_DBFS, 10 * float(np.log10(power + 1e-30)))


def listen(clip: Clip) -> ClipFacts:
    """Read a clip, all of it. What is wrong with its file becomes the `error`."""
    try:
        native, rate = read_native(clip.path, clip.part)
    except DataError as error:
        return ClipFacts(error=str(error))
    if not len(native):
        return ClipFacts(error=f"{clip.path} holds no samples: remove it")
    if not np.isfinite(native).all():
        return ClipFacts(error=f"{clip.path} holds values that are no numbers (NaN or infinite): make it anew")
    samples = as_mono(native, rate)
    return ClipFacts(
        rate=rate,
        channels=native.shape[1],
        duration_s=len(native) / rate,
        level_dbfs=level_dbfs(samples),
        clipped=clipped_share(native),
        digest=hashlib.blake2b(samples.tobytes(), digest_size=16).digest(),
        signature=signature_of(samples),
    )


def listen_to_all(clips: Sequence[Clip], report: Report, workers: int = 0) -> Iterator[ClipFacts]:
    """Facts of each clip, in order, read by several threads (0: as many as the machine has processors)."""
    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="listen") as pool:
        for start in range(0, len(clips), CHUNK):
            chunk = clips[start : start + CHUNK]
            yield from pool.map(listen, chunk)
            report("listening", start + len(chunk), len(clips))
