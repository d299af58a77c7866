"""Bundles for the tests of the app: small, with random weights, made once a session by the engine and w2v-export."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "random_bundle.py"
SPEECH = Path(__file__).resolve().parents[2].parent / "shared" / "speech"


def _make_bundle(folder: Path, feature_norm: str) -> Path:
    out = folder / f"random-{feature_norm}"
    run = subprocess.run(
        [sys.executable, str(SCRIPT), feature_norm, str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=SCRIPT.parents[2],
    )
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory) -> Path:
    """Folder of a bundle whose text is gibberish that depends on every sample; layer norm, as the models we train."""
    return _make_bundle(tmp_path_factory.mktemp("bundles"), "layer")


@pytest.fixture(scope="session")
def group_norm_bundle(tmp_path_factory) -> Path:
    """The same of the older kind: group norm over time, normalised input."""
    return _make_bundle(tmp_path_factory.mktemp("bundles"), "group")


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """The speech corpus beside the repository; skips where it is absent."""
    if not SPEECH.is_dir():
        pytest.skip("the speech corpus is not beside the repository")
    return SPEECH
