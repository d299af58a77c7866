"""What the commands share: the error for an order that cannot be carried out, and paths as a run keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class UsageError(ValueError):
    """A command line that cannot be carried out. The message says what to write instead."""


def absolute(paths: Sequence[str | Path]) -> list[str]:
    """The paths from the root, as text; a run may be resumed from another folder."""
    return [str(Path(path).absolute()) for path in paths]
