"""What the app keeps about a run beside the engine's files: the name people gave it, and the process it started."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from w2v_studio.training.processes import ProcessIdentity

NOTES_FILE = "studio.json"


@dataclass(frozen=True)
class RunNotes:
    """studio.json. `pid` and `started` name the process last launched; 0 where a shell started the run."""

    label: str = ""
    pid: int = 0
    started: float = 0.0
    command: tuple[str, ...] = ()

    @property
    def process(self) -> ProcessIdentity | None:
        """The process last launched by the app."""
        return ProcessIdentity(self.pid, self.started) if self.pid else None


def read_notes(folder: Path) -> RunNotes:
    """The notes; empty ones where there are none that can be read."""
    try:
        values = json.loads((folder / NOTES_FILE).read_text(encoding="utf-8"))
        return RunNotes(
            str(values["label"]), int(values["pid"]), float(values["started"]), tuple(map(str, values["command"]))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return RunNotes()


def write_notes(folder: Path, notes: RunNotes) -> None:
    """Write the notes, whole or not at all."""
    part = folder / (NOTES_FILE + ".tmp")
    part.write_text(json.dumps(dataclasses.asdict(notes), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / NOTES_FILE)
