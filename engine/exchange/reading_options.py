"""What a person may say about a source beyond naming it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


def _silent(_line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ReadingOptions:
    """`vocabulary` vocab.json or dict.ltr.txt; `language` of an MMS folder; `revision` of a Hub repository.

    `settings` are `section.key=value` texts that replace what the source says or what is assumed; `say` gets lines
    about what goes on.
    """

    vocabulary: Path | None = None
    language: str | None = None
    revision: str | None = None
    settings: Sequence[str] = ()
    say: Callable[[str], None] = _silent
