"""Copies of bundles, and bundles put in their place."""

from __future__ import annotations

import shutil
from pathlib import Path

from export.bundle import BUNDLE_FILES, Bundle, BundleError


def copy_bundle(bundle: Bundle, made: Path) -> None:
    """Only the files of a bundle, into the new folder `made`. Raises BundleError, OSError."""
    folder = bundle.folder
    made.mkdir()
    for file in folder.iterdir():
        if file.is_file() and not file.is_symlink() and not file.name.startswith("."):
            shutil.copyfile(file, made / file.name)
    missing = [name for name in BUNDLE_FILES if not (made / name).is_file()]
    if missing:
        raise BundleError(f"{folder} has links instead of files ({', '.join(missing)}): copy the real files first")


def install(made: Path, target: Path) -> None:
    """Put the new bundle in its place; one that was there goes away only after. `made` lies in a temporary folder."""
    if not target.exists():
        made.rename(target)
        return
    old = made.with_name("old")
    target.rename(old)  # inside the temporary folder, so it goes with it
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
