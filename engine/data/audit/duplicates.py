"""The same recording twice: with equal samples, or in another encoding, at another rate, louder, softer.

Equal samples have equal digests. For the rest each clip has a signature, how its energy is spread over 8 bands and 16
stretches of time; clips of like length and like signature are read again and laid over each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from engine.data.durations import Report

Signature = NDArray[np.float16]

FRAME = 512
BANDS_HZ = (100, 300, 500, 800, 1200, 1700, 2300, 2900, 3400)
STRETCHES = 16
RANGE = 1e-6
"""Energies this far below the strongest count as silence: there codecs do what they like."""
SAME_LENGTH_S = 0.12
"""Encoders and resamplers lengthen or shorten by less."""
LIKE_SIGNATURE = 0.97
SAME_RECORDING = 0.96
"""Least correlation, at the best shift, of two encodings of one recording, which have 0.98 and more. Two recordings
have 0.1, two of one short word by one speaker up to 0.92."""
BLOCK = 512
MOST_CHECKED = 20_000
"""Pairs laid over each other, the likest first; each takes some milliseconds."""


def signature_of(samples: NDArray[np.int16]) -> Signature | None:
    """The signature of samples at 16 kHz; None for silence and for less than a frame."""
    frames = len(samples) // FRAME
    if frames < 1:
        return None
    blocks = samples[: frames * FRAME].reshape(frames, FRAME).astype(np.float32) * np.hanning(FRAME).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(blocks, axis=1)))
    edges = np.rint(np.array(BANDS_HZ) * FRAME / 16000).astype(int)
    bands = np.add.reduceat(power, edges, axis=1)[:, :-1]
    sums = np.concatenate((np.zeros((1, bands.shape[1])), np.cumsum(bands, axis=0, dtype=np.float64)))
    marks = np.linspace(0, frames, STRETCHES + 1)
    places = np.arange(frames + 1)
    at_marks = np.stack([np.interp(marks, places, column) for column in sums.T], axis=1)
    energy = np.diff(at_marks, axis=0)
    strongest = float(energy.max())
    if strongest <= 0:
        return None
    levels = np.log(np.maximum(energy / strongest, RANGE))
    levels -= levels.mean()
    size = float(np.linalg.norm(levels))
    return None if size == 0 else (levels.ravel() / size).astype(np.float16)


def like_pairs(signatures: Sequence[Signature | None], durations_s: Sequence[float]) -> list[tuple[float, int, int]]:
    """(likeness, first, second) of clips of like length and signature, the likest first."""
    present = [
        (durations_s[place], place, signature) for place, signature in enumerate(signatures) if signature is not None
    ]
    if len(present) < 2:
        return []
    present.sort(key=lambda one: one[:2])
    lengths = np.array([duration_s for duration_s, _, _ in present])
    places = [place for _, place, _ in present]
    table = np.stack([signature for _, _, signature in present])
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(present), BLOCK):
        stop = min(start + BLOCK, len(present))
        end = int(np.searchsorted(lengths, lengths[stop - 1] + SAME_LENGTH_S, side="right"))
        likeness = table[start:stop].astype(np.float32) @ table[start:end].astype(np.float32).T
        rows, columns = np.nonzero(likeness >= LIKE_SIGNATURE)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if column > row and lengths[start + column] - lengths[start + row] <= SAME_LENGTH_S:
                found.append((float(likeness[row, column]), places[start + row], places[start + column]))
    return sorted(found, reverse=True)


def best_correlation(first: NDArray[np.int16], second: NDArray[np.int16]) -> float:
    """Highest correlation of two recordings over all shifts up to 0.12 s, 0 to 1, whatever their levels and signs.

    Of the band from 100 to 3400 Hz, which every rate and encoding keeps.
    """
    shift = round(SAME_LENGTH_S * 16000)
    size = len(first) + len(second)
    low, high = (round(edge * size / 16000) for edge in (BANDS_HZ[0], BANDS_HZ[-1]))
    spectra = [np.fft.rfft(samples.astype(np.float64), size)[low:high] for samples in (first, second)]
    # Parseval: the energies from the spectra of the band, both sides of it
    norm = float(np.sqrt(np.prod([np.sum(np.square(np.abs(spectrum))) for spectrum in spectra]))) * 2 / size
    if norm == 0:
        return 0.0
    product = np.zeros(size // 2 + 1, dtype=np.complex128)
    product[low:high] = spectra[0] * np.conj(spectra[1])
    overlap = np.abs(np.fft.irfft(product, size))
    return float(max(overlap[: shift + 1].max(), overlap[-shift:].max()) / norm)


def groups_of(count: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Places that are joined by pairs, in groups of two or more."""
    parent = list(range(count))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for place in range(count):
        members.setdefault(root(place), []).append(place)
    return [group for group in members.values() if len(group) > 1]


def same_recordings(
    digests: Sequence[bytes],
    signatures: Sequence[Signature | None],
    durations_s: Sequence[float],
    read: Callable[[int], NDArray[np.int16]],
    report: Report,
    workers: int = 0,
) -> list[list[int]]:
    """Groups of places that hold one recording. `read` gives the samples of a place at 16 kHz.

    An empty digest takes no part.
    """
    first_with: dict[bytes, int] = {}
    pairs = []
    for place, digest in enumerate(digests):
        if digest and first_with.setdefault(digest, place) != place:
            pairs.append((first_with[digest], place))
    # One of each group of equals is enough to find the other encodings.
    distinct = [
        signature if digest and first_with[digest] == place else None
        for place, (digest, signature) in enumerate(zip(digests, signatures, strict=True))
    ]
    candidates = like_pairs(distinct, durations_s)[:MOST_CHECKED]

    def same(candidate: tuple[float, int, int]) -> bool:
        return best_correlation(read(candidate[1]), read(candidate[2])) >= SAME_RECORDING

    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="compare") as pool:
        for done, (is_same, (_, first, second)) in enumerate(
            zip(pool.map(same, candidates), candidates, strict=True), 1
        ):
            if is_same:
                pairs.append((first, second))
            report("comparing", done, len(candidates))
    return groups_of(len(digests), pairs)
