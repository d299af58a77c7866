"""Removing an installed model."""

from __future__ import annotations

import shutil

from export.bundle import Bundle, BundleError
from w2v_studio.bundles import own_bundles_folder


def remove_bundle(bundle: Bundle) -> None:
    """Delete the folder of a model that the user installed. Raises BundleError for others."""
    own = own_bundles_folder().resolve()
    folder = bundle.folder
    if folder.resolve().parent != own:
        raise BundleError(
            f"{bundle.card.name!r} lies in {folder}, not among your own models in {own}: shipped models stay, and "
            "other folders are yours to delete"
        )
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
