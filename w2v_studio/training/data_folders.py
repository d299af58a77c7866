"""Where data sets are looked for: the app's own folder, folders a person added, and a checkout's corpora."""

from __future__ import annotations

import json
from pathlib import Path

LIST_VERSION = 1
LIST_FILE = "datasets.json"
OWN_FOLDER = "datasets"


class DataFolders:
    """The folders that may hold manifests. What a person adds is kept in `home`/datasets.json."""

    def __init__(self, home: Path, found: tuple[Path, ...] = ()) -> None:
        self._file = home / LIST_FILE
        self._own = home / OWN_FOLDER
        self._found = found

    def added(self) -> list[Path]:
        """Folders that a person added. A list that cannot be read counts as empty."""
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
            return [Path(item) for item in values["folders"] if isinstance(item, str)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def add(self, folder: Path) -> None:
        """Remember one more folder."""
        self._write([*[old for old in self.added() if old != folder], folder])

    def remove(self, folder: Path) -> None:
        """Forget a folder that was added; its files stay."""
        self._write([old for old in self.added() if old != folder])

    def all(self) -> list[Path]:
        """Every folder that exists now, each once: own, added, found."""
        folders = dict.fromkeys((self._own, *self.added(), *self._found))
        return [folder for folder in folders if folder.is_dir()]

    def _write(self, folders: list[Path]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(self._file.name + ".tmp")
        values = {"version": LIST_VERSION, "folders": [str(folder) for folder in folders]}
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        part.replace(self._file)


def checkout_data_folders() -> tuple[Path, ...]:
    """Corpora in a repository checkout, where docs/corpora.md puts them. Nothing in an installed app."""
    checkout = Path(__file__).resolve().parents[2]
    return (checkout / "corpora",) if (checkout / "pyproject.toml").is_file() else ()
