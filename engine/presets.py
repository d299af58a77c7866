"""Presets: settings that belong together, under a name. No torch here."""

from __future__ import annotations

import difflib
from pathlib import Path

from engine import config as configuration
from engine.config import ConfigError, RunConfig

PACKAGE = Path(__file__).resolve().parent


def presets_folder() -> Path:
    """Beside the packages in a checkout, inside the app's package when installed from a wheel."""
    checkout = PACKAGE.parent / "resources" / "presets"
    return checkout if checkout.is_dir() else PACKAGE.parent / "w2v_studio" / "resources" / "presets"


def preset_names() -> list[str]:
    """Names that `load_preset` knows."""
    return sorted(path.stem for path in presets_folder().glob("*.toml"))


def load_preset(name: str) -> RunConfig:
    """A preset by its name or by its file (.toml, .json). Raises ConfigError with the near name, or all of them."""
    names = preset_names()
    if name in names:
        return configuration.load(presets_folder() / f"{name}.toml")
    path = Path(name)
    if path.suffix in (".toml", ".json") or path.is_file():
        return configuration.load(path)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ConfigError(f"there is no preset {name!r}: {hint}known are {', '.join(names)}, or give a .toml file")
