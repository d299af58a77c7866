"""Which part of a file a clip is, where it is not all of it. Small values that can be compared and used as keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Stretch:
    """Seconds [start_s, start_s + duration_s) of a recording, of all channels together or of one (from 0)."""

    start_s: float
    duration_s: float
    channel: int | None = None


class ShardArchive(Protocol):
    """A tar archive with recordings, here or on its way."""

    def read(self, name: str) -> bytes:
        """The file of the recording `name`. Raises DataError."""


@dataclass(frozen=True)
class ShardMember:
    """The recording `name` of a tar archive. `streamed`: it comes once in a long while, so keep it nowhere."""

    name: str
    archive: ShardArchive = field(compare=False)
    streamed: bool = False


@dataclass(frozen=True)
class CutRecord:
    """A lhotse cut (JSON) with more to it than a stretch of a file: mixed, padded, changed in speed, from a URL."""

    json: str


Part = Stretch | ShardMember | CutRecord
