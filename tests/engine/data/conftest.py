"""Recordings with a voice-like sound each of its own, and a cache folder that is the test's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept in the user's own cache."""
    folder = tmp_path / "cache-of-the-test"
    monkeypatch.setenv("W2V_STUDIO_CACHE", str(folder))
    return folder


def babble(seconds: float, seed: int, rate: int = 16000) -> np.ndarray:
    """Noise below 3 kHz that swells and fades some times a second, as speech does; no two seeds alike."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / rate)
    carrier = np.fft.irfft(np.where((hertz > 150) & (hertz < 3000), spectrum, 0), count)
    knots = rng.uniform(0.02, 1.0, max(2, round(6 * seconds)))
    swell = np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
    sound = carrier * swell
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture
def record() -> Callable[..., Path]:
    """Writes a recording of some seconds, a sound for each seed; gives its path."""

    def write(path: Path, seconds: float = 1.0, seed: int = 0, rate: int = 16000, **options: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, babble(seconds, seed, rate), rate, **options)
        return path

    return write
