"""Dictations that a person corrected, as a data set of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from w2v_studio.training.data_folders import OWN_FOLDER
from w2v_studio.training.manifests import Manifest, read_manifest

TITLE = "My corrections"


def write_corrections_manifest(home: Path) -> Manifest | None:
    """The corrected dictations of the store in `home` as a manifest, written again where the store is newer.

    None where nothing was corrected yet, or where the store cannot be opened.
    """
    from w2v_studio.dictation import store  # SQLite and audio files: only when data sets are asked for

    path = home / OWN_FOLDER / "my-corrections" / "train.tsv"
    stored = max((file.stat().st_mtime for file in home.glob(f"{store.DATABASE}*")), default=0.0)
    if not path.is_file() or path.stat().st_mtime < stored:
        try:
            store.corrections_manifest(path, home)
        except store.StoreError:
            return None
    manifest = read_manifest(path) if path.is_file() else None
    return replace(manifest, title=TITLE) if manifest else None
