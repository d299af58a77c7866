"""A recogniser with random weights, a clip of speech-like sound, and the theme."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.bundle import open_bundle
from w2v_studio.recognition.sessions import Recognizer


@pytest.fixture(scope="session")
def recognizer(small_bundle) -> Recognizer:
    return Recognizer(open_bundle(small_bundle), provider="cpu", threads=1)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise and tones that change every 100 ms, so that codes and letters do too."""
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(round(seconds * 10)):
        t = np.arange(1600) / 16000
        tone = np.sin(2 * np.pi * rng.uniform(100, 4000) * t) * rng.uniform(0, 0.3)
        pieces.append(tone + rng.normal(size=1600) * rng.uniform(0, 0.1))
    return np.concatenate(pieces).astype(np.float32)


@pytest.fixture
def clip_path(tmp_path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, sound(3.0), 16000)
    return path


@pytest.fixture
def make_sound():
    return sound
