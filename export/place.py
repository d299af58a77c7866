"""The folder that an export writes: refused where it would replace something, and there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from export.graph import ExportError


def refuse_occupied(out: Path, known: Sequence[str], mark: str, force: bool) -> None:
    """Raise ExportError where writing to `out` would replace something that must stay.

    An export is made of the `known` names, with `mark` in it once it is complete; only those are ever replaced.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise ExportError(f"{out} is not a folder: choose another --out")
    foreign = sorted(item.name for item in out.iterdir() if item.name not in known)
    if foreign:
        raise ExportError(f"{out} holds {foreign[0]!r}, which is no part of an export: choose another --out")
    if (out / mark).exists() and not force:
        raise ExportError(f"{out} already holds an export: choose another --out, or replace it with --force")


@dataclass(frozen=True)
class Workplace:
    """A folder beside `out` to write into first."""

    folder: Path
    out: Path

    def move_into_place(self) -> None:
        """Rename, with what was there moved aside first and brought back if that fails."""
        aside = self.folder.with_suffix(".old")
        replaced = self.out.exists()
        if replaced:
            self.out.rename(aside)
        try:
            self.folder.rename(self.out)
        except OSError:
            if replaced:
                aside.rename(self.out)
            raise
        if replaced:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def workplace(out: Path) -> Iterator[Workplace]:
    """A workplace for `out`, gone afterwards."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.parent / f".{out.name}.{os.getpid()}.tmp"
    folder.mkdir()
    try:
        yield Workplace(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
