"""A stretch of speech while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from w2v_studio.recognition.commitment import CommitRule
from w2v_studio.recognition.updates import FinalUpdate


@dataclass
class Segment:
    """`first_frame` counts from the start of the stream, `decoded_at` is the sample of the last decode."""

    number: int
    first_frame: int
    rule: CommitRule
    decoded_at: int
    shown: tuple[str, str] = ("", "")
    prepared: FinalUpdate | None = None
    """The final text, made in advance in a silence that may be the end."""
    final_extent: tuple[int, int] | None = None
    """Frames and samples that the final text is made of, if no speech follows."""
    is_late: bool = False
    """Whether the machine was too slow during it: then there are no further partial texts."""

    def resume(self) -> None:
        """Speech goes on: what was prepared does not hold."""
        self.prepared = self.final_extent = None
