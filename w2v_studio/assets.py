"""Where the files are: those shipped with the program, and the user's own."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def resources_folder() -> Path:
    """Shipped files: inside the package when installed from a wheel, beside it in a checkout."""
    installed = PACKAGE / "resources"
    return installed if installed.is_dir() else PACKAGE.parent / "resources"


def presets_folder() -> Path:
    """Training presets, a TOML file each."""
    return resources_folder() / "presets"


def icons_folder() -> Path:
    """SVG icons."""
    return resources_folder() / "icons"


def samples_folder() -> Path:
    """Sample clips to try the app without a microphone."""
    return resources_folder() / "samples"


def bundled_models_folder() -> Path:
    """Bundles shipped with the program, a folder each."""
    return resources_folder() / "models"


def voice_activity_path() -> Path:
    """The Silero voice activity model (ONNX, 16 kHz)."""
    return resources_folder() / "vad" / "silero_vad_16k.onnx"


def data_folder() -> Path:
    """The user's own files (bundles, runs, recordings, settings); W2V_STUDIO_HOME overrides it. May not exist yet."""
    own = os.environ.get("W2V_STUDIO_HOME")
    if own:
        return Path(own).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("w2v-studio", appauthor=False))
