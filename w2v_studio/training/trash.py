"""Deleted runs wait here until the app starts again, so that deleting can be undone."""

from __future__ import annotations

import shutil
import time
from pathlib import Path


class Trash:
    """A folder on the same disk as the runs: moving there costs nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, path: Path) -> Path:
        """Move `path` in; gives where it is now. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._folder / f"{time.time_ns()}-{path.name}"
        path.rename(place)
        return place

    def empty(self) -> None:
        """Delete for good all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
