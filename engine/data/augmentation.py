"""What is done to the audio so that no epoch is like another: speed, noise, gain. numpy and soxr only."""

from __future__ import annotations

import functools

import numpy as np
import soxr

from engine.config import DataConfig
from engine.data.audio import SAMPLE_RATE, Waveform

NOISE_RANGE_DB = 30.0
"""Signal-to-noise ratios are drawn from data.noise_db up to this much above it."""
NOISE_CHANCE = 0.7
PINK_SAMPLES = 1 << 18


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


def add_noise(waveform: Waveform, lowest_db: float, rng: np.random.Generator) -> Waveform:
    """Noise at a random signal-to-noise ratio of `lowest_db` to 30 dB more; three in ten clips stay clean."""
    if rng.random() >= NOISE_CHANCE:
        return waveform
    ratio_db = rng.uniform(lowest_db, lowest_db + NOISE_RANGE_DB)
    power = float(np.mean(np.square(waveform))) if len(waveform) else 0.0
    level = np.float32(np.sqrt(power * 10 ** (-ratio_db / 10)))
    return waveform + level * draw_noise(len(waveform), rng)


def change_gain(waveform: Waveform, limit_db: float, rng: np.random.Generator) -> Waveform:
    """Louder or softer by up to `limit_db`, clipped at full scale as a sound card does."""
    gain = np.float32(10 ** (rng.uniform(-limit_db, limit_db) / 20))
    limited: Waveform = np.clip(waveform * gain, -1.0, 1.0)
    return limited


def augment(waveform: Waveform, data: DataConfig, rng: np.random.Generator) -> Waveform:
    """Noise, then gain: what the config asks for."""
    if data.noise_db > 0:
        waveform = add_noise(waveform, data.noise_db, rng)
    if data.gain_db > 0:
        waveform = change_gain(waveform, data.gain_db, rng)
    return waveform
