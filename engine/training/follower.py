"""The run folder as seen by the processes beside the first: they read, and leave a note when they fail."""

from __future__ import annotations

from pathlib import Path

from engine import events
from engine.config import RunConfig
from engine.events import Event
from engine.training.checkpoint import Checkpoint
from engine.training.run_folder import RunFolder

NOTE = "failed-process-{rank}.txt"


class Follower(RunFolder):
    """Writes neither events nor checkpoints; the wish to stop is the first process's to see."""

    def __init__(self, path: Path, rank: int) -> None:
        self.path, self.rank = path, rank
        self.checkpoints = path / events.CHECKPOINT_FOLDER
        self.listeners = []
        path.mkdir(parents=True, exist_ok=True)  # on a machine of its own nobody else made it

    def close(self) -> None:
        """Nothing is open."""

    def emit(self, event: Event) -> None:
        """A failure becomes a note, from which the first process learns why it is alone."""
        if isinstance(event, events.Failed):
            (self.path / NOTE.format(rank=self.rank)).write_text(event.message, encoding="utf-8")

    def log(self, text: str) -> None:
        """Free text, with the process before it."""
        super().log(f"process {self.rank}: {text}")

    def save_config(self, run: RunConfig) -> None:
        """The first process does."""

    def stop_wanted(self) -> bool:
        """The first process looks."""
        return False

    def save(self, checkpoint: Checkpoint, keep: int) -> Path:  # noqa: ARG002
        """Where the first process writes it."""
        return self.path_of(checkpoint.step)

    def save_best(self, checkpoint: Checkpoint) -> Path:  # noqa: ARG002
        """Where the first process writes it."""
        return self.checkpoints / "best.pt"


def failure_notes(path: Path) -> list[str]:
    """What other processes of the run left: `process 1: ...`."""
    notes = sorted(path.glob(NOTE.format(rank="*")))
    return [f"process {note.stem.rpartition('-')[2]}: {note.read_text(encoding='utf-8')}" for note in notes]


def remove_notes(path: Path) -> None:
    """Of an earlier attempt."""
    for note in path.glob(NOTE.format(rank="*")):
        note.unlink(missing_ok=True)
