"""Recognizers over the random bundles, and real speech with pauses from the shipped samples."""

from pathlib import Path

import numpy as np
import pytest

from export.bundle import open_bundle
from w2v_studio.audio.files import read_audio
from w2v_studio.recognition.sessions import Recognizer

SAMPLES = Path(__file__).resolve().parents[3] / "resources" / "samples"


@pytest.fixture(scope="session")
def recognizer(small_bundle) -> Recognizer:
    return Recognizer(open_bundle(small_bundle), "cpu", threads=1)


@pytest.fixture(scope="session")
def group_norm_recognizer(group_norm_bundle) -> Recognizer:
    return Recognizer(open_bundle(group_norm_bundle), "cpu", threads=1)


@pytest.fixture(scope="session")
def digits_waveform() -> np.ndarray:
    """Some seconds of spoken digits with pauses between them."""
    return read_audio(SAMPLES / "digits-jackson.flac")
