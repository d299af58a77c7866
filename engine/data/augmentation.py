"""What is done to the audio so that no epoch is like another: speed, rooms, noise, gain. No torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soxr

from engine.config import DataConfig
from engine.data.audio import SAMPLE_RATE, AudioCache, Waveform, to_float
from engine.data.manifest import Clip, DataError
from engine.data.rooms import Rooms
from engine.data.sources import read_source

NOISE_RANGE_DB = 30.0
"""Signal-to-noise ratios are drawn from data.noise_db up to this much above it."""
NOISE_CHANCE = 0.7
PINK_SAMPLES = 1 << 18
OPENED_FOR_LENGTHS = 0
"""Noise is cut at random places once it is read; nobody needs its length before."""

NoiseSource = Callable[[int, np.random.Generator], Waveform]


def change_speed(waveform: Waveform, factor: float) -> Waveform:
    """Play `factor` times as fast, as a tape would: shorter and higher above 1."""
    if factor == 1:
        return waveform
    faster: Waveform = soxr.resample(waveform, SAMPLE_RATE * factor, SAMPLE_RATE, quality="LQ")
    return faster


@functools.cache
def _pink_noise() -> Waveform:
    """Noise of unit power whose power falls as 1/f; a cut from a random place of it costs nothing."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(PINK_SAMPLES))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, PINK_SAMPLES)
    unit: Waveform = (noise / noise.std()).astype(np.float32)
    return unit


def draw_noise(samples: int, rng: np.random.Generator) -> Waveform:
    """White or pink noise of unit power, at even odds."""
    if rng.random() < 0.5:
        return rng.standard_normal(samples, dtype=np.float32)
    start = int(rng.integers(PINK_SAMPLES))
    return np.take(_pink_noise(), np.arange(start, start + samples), mode="wrap")


class RecordedNoise:
    """Cuts from recordings of noise, at random places; a short recording goes round."""

    def __init__(self, clips: Sequence[Clip], cache: AudioCache) -> None:
        self._clips, self._cache = clips, cache

    def __call__(self, samples: int, rng: np.random.Generator) -> Waveform:
        """Noise of unit power; silence stays silent. Raises DataError."""
        clip = self._clips[int(rng.integers(len(self._clips)))]
        recorded = self._cache.read(clip.path, clip.part)
        if not len(recorded):
            raise DataError(f"{clip.origin}: the recording of noise is empty: remove it from data.noise")
        start = int(rng.integers(len(recorded)))
        noise = to_float(np.take(recorded, np.arange(start, start + samples), mode="wrap"))
        power = float(np.mean(np.square(noise))) if samples else 0.0
        return noise if power == 0 else noise / np.float32(np.sqrt(power))


def add_noise(
    waveform: Waveform, lowest_db: float, rng: np.random.Generator, source: NoiseSource = draw_noise
) -> Waveform:
    """Noise at a random signal-to-noise ratio of `lowest_db` to 30 dB more; three in ten clips stay clean."""
    if rng.random() >= NOISE_CHANCE:
        return waveform
    ratio_db = rng.uniform(lowest_db, lowest_db + NOISE_RANGE_DB)
    power = float(np.mean(np.square(waveform))) if len(waveform) else 0.0
    level = np.float32(np.sqrt(power * 10 ** (-ratio_db / 10)))
    return waveform + level * source(len(waveform), rng)


def change_gain(waveform: Waveform, limit_db: float, rng: np.random.Generator) -> Waveform:
    """Louder or softer by up to `limit_db`, clipped at full scale as a sound card does."""
    gain = np.float32(10 ** (rng.uniform(-limit_db, limit_db) / 20))
    limited: Waveform = np.clip(waveform * gain, -1.0, 1.0)
    return limited


class Augmentation:
    """A room, then noise, then gain: what the config asks for. Its rooms and the list of its noises are ready before
    the first clip, so that a clip's changes hang on its own generator only."""

    def __init__(self, data: DataConfig, cache: AudioCache, seed: int) -> None:
        self.data = data
        self._rooms = Rooms(data, seed) if data.reverb > 0 else None
        self._noise: NoiseSource = draw_noise
        if data.noise:
            found = [clip for name in data.noise for clip in _recordings(Path(name))]
            self._noise = RecordedNoise(found, cache)

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """The waveform, changed; as long as it was."""
        data = self.data
        if self._rooms is not None and rng.random() < data.reverb:
            waveform = self._rooms(waveform, rng)
        if data.noise_db > 0:
            waveform = add_noise(waveform, data.noise_db, rng, self._noise)
        if data.gain_db > 0:
            waveform = change_gain(waveform, data.gain_db, rng)
        return waveform


def _recordings(path: Path) -> list[Clip]:
    return list(read_source(path, open_limit=OPENED_FOR_LENGTHS).all_clips())
