"""Where facts about data that took long to find are kept: a folder of the user's, never the data's own. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

CACHE_VARIABLE = "W2V_STUDIO_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """The folder, which may not exist yet."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "w2v-studio" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "w2v-studio"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "w2v-studio"


class FactFile:
    """A JSON object in the cache folder, under a key. What cannot be read counts as empty; what cannot be written is
    found again the next time."""

    def __init__(self, kind: str, key: str) -> None:
        self._path = cache_folder() / kind / (hashlib.blake2b(key.encode(), digest_size=12).hexdigest() + ".json")

    def load(self) -> dict[str, Any]:
        """What was kept."""
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def save(self, values: dict[str, Any]) -> None:
        """Keep these, whole or not at all."""
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(values), encoding="utf-8")
            part.replace(self._path)
        except OSError:
            return
