"""Bundles for the tests of the app: small, with random weights, made by the engine and w2v-export."""

import hashlib
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "random_bundle.py"
REPOSITORY = Path(__file__).resolve().parents[2]
SPEECH = REPOSITORY.parent / "shared" / "speech"


@pytest.fixture(autouse=True, scope="session")
def _tiny_model():
    """The default model of these tests is the one that reads digits; commands that they start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2V_STUDIO_BUNDLE", "tiny-en")
        yield


def _bundle(config: pytest.Config, feature_norm: str) -> Path:
    """Made once for each state of the code that makes it, and kept in pytest's cache: tracing takes half a minute."""
    makers = [
        SCRIPT,
        *sorted((REPOSITORY / "export").glob("*.py")),
        *sorted((REPOSITORY / "engine/model").glob("*.py")),
    ]
    state = hashlib.sha256(b"".join(maker.read_bytes() for maker in makers)).hexdigest()[:16]
    kept = config.cache.mkdir(f"random-bundles-{state}") / f"random-{feature_norm}"
    if (kept / "bundle.json").is_file():
        return kept
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        out = Path(folder) / kept.name
        run = subprocess.run(
            [sys.executable, str(SCRIPT), feature_norm, str(out)],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=REPOSITORY,
        )
        assert run.returncode == 0, run.stderr
        with suppress(OSError):  # another run of the tests was first
            out.rename(kept)
    return kept


@pytest.fixture(scope="session")
def small_bundle(pytestconfig) -> Path:
    """Folder of a bundle whose text is gibberish that depends on every sample; layer norm, as the models we train.

    Do not change it: later test runs use it again.
    """
    return _bundle(pytestconfig, "layer")


@pytest.fixture(scope="session")
def group_norm_bundle(pytestconfig) -> Path:
    """The same of the older kind: group norm over time, normalised input."""
    return _bundle(pytestconfig, "group")


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """The speech corpus beside the repository; skips where it is absent."""
    if not SPEECH.is_dir():
        pytest.skip("the speech corpus is not beside the repository")
    return SPEECH
