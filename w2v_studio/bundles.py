"""The bundles on this machine: shipped ones in resources/models, the user's own in the data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from export.bundle import Bundle, BundleError, open_bundle
from w2v_studio.assets import bundled_models_folder, data_folder

DEFAULT_VARIABLE = "W2V_STUDIO_BUNDLE"
"""Environment variable that names the model to use where none is chosen."""


@dataclass(frozen=True)
class BrokenBundle:
    """A folder that should be a bundle but cannot be opened, and the sentence that says why."""

    folder: Path
    reason: str


def own_bundles_folder() -> Path:
    """Where the user's exported bundles go. May not exist yet."""
    return data_folder() / "bundles"


def installed_bundles() -> list[Bundle]:
    """All usable bundles, shipped ones first, each group by folder name. See `broken_bundles` for the others."""
    return [found for found in _look_through() if isinstance(found, Bundle)]


def broken_bundles() -> list[BrokenBundle]:
    """Folders that `installed_bundles` left out, with the reason."""
    return [found for found in _look_through() if isinstance(found, BrokenBundle)]


def default_bundle() -> Bundle:
    """The bundle to use when none is chosen: the one DEFAULT_VARIABLE names, else the first one.

    Raises BundleError.
    """
    if named := os.environ.get(DEFAULT_VARIABLE):
        try:
            return find_bundle(named)
        except BundleError as error:
            raise BundleError(
                f"{error} (it is the environment variable {DEFAULT_VARIABLE} that asks for it)"
            ) from error
    bundles = installed_bundles()
    if bundles:
        return bundles[0]
    broken = broken_bundles()
    if broken:
        raise BundleError(f"no installed model can be used; the first one: {broken[0].reason}")
    raise BundleError(
        f"no model is installed: train one in the Train screen, or put a bundle made by w2v-export "
        f"into {own_bundles_folder()}"
    )


def find_bundle(name_or_path: str | Path) -> Bundle:
    """The bundle in that folder, or the installed one of that name. Raises BundleError naming what there is."""
    path, name = Path(name_or_path).expanduser(), str(name_or_path)
    installed = installed_bundles()
    matches = [bundle for bundle in installed if name in (bundle.card.name, bundle.folder.name)]
    if len(matches) == 1:
        return matches[0]
    if not matches and path.is_dir():
        return open_bundle(path)
    if matches:
        folders = " and ".join(str(bundle.folder) for bundle in matches)
        raise BundleError(f"the name {name!r} belongs to {folders}: give the folder instead")
    for broken in broken_bundles():
        if broken.folder.name == name:
            raise BundleError(broken.reason)
    names = ", ".join(bundle.card.name for bundle in installed) or "none"
    raise BundleError(f"no model {name!r}: give the folder of a bundle or an installed name ({names})")


def _look_through() -> Iterator[Bundle | BrokenBundle]:
    """Every folder in both places, opened or broken. Hidden folders and loose files are not bundles."""
    for place in (bundled_models_folder(), own_bundles_folder()):
        if not place.is_dir():
            continue
        for folder in sorted(place.iterdir()):
            if not folder.is_dir() or folder.name.startswith("."):
                continue
            try:
                yield open_bundle(folder)
            except BundleError as error:
                yield BrokenBundle(folder, str(error))
