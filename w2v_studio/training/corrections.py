"""Dictations that a person corrected, as a data set of their own."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

from w2v_studio.training.data_folders import OWN_FOLDER
from w2v_studio.training.manifests import Manifest, read_manifest

TITLE = "My corrections"


def write_corrections_manifest(home: Path) -> Manifest | None:
    """Write the corrected dictations anew as a manifest; None where there are none yet."""
    try:
        store = importlib.import_module("w2v_studio.dictation.store")
    except ImportError:
        return None
    path = home / OWN_FOLDER / "my-corrections" / "train.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not store.corrections_manifest(path):
        return None
    manifest = read_manifest(path)
    return replace(manifest, title=TITLE) if manifest else None
