"""The folder of a run: config, events, log, heartbeat, stop file, checkpoints (engine/events.py says what is where)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from engine import config as configuration
from engine import events
from engine.config import ConfigError, RunConfig
from engine.events import Event, EventWriter
from engine.training.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint

HEARTBEAT_S = 3.0
Listener = Callable[[Event], None]


def holds_run(folder: Path) -> bool:
    """Whether a run began in `folder`. One that failed before it began may be tried again in the same place."""
    if any((folder / events.CHECKPOINT_FOLDER).glob("*.pt")):
        return True
    return any(isinstance(event, events.Started) for event in events.EventReader(folder).poll())


class RunFolder:
    """Writes everything a run leaves behind, and hears the wish to stop. Use as a context manager.

    `listeners` are told every event after it is on disk. Raises OSError where the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        mirror: TextIO | None = None,
        listeners: tuple[Listener, ...] = (),
        process_started: float | None = None,
    ) -> None:
        self.path = path
        self.checkpoints = path / events.CHECKPOINT_FOLDER
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.listeners = list(listeners)
        self._started = time.time() if process_started is None else process_started
        self._writer = EventWriter(path, mirror)
        self._closing = threading.Event()
        self._remove_old_stop()
        for part in self.checkpoints.glob("*.tmp"):  # a process that was killed while it wrote
            part.unlink(missing_ok=True)
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart.start()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the heartbeat and close the event file."""
        self._closing.set()
        self._heart.join()
        self._writer.close()

    def emit(self, event: Event) -> None:
        """Write the event, then tell the listeners."""
        self._writer.write(event)
        for listener in self.listeners:
            listener(event)

    def log(self, text: str) -> None:
        """Free text for people, with the time before it."""
        with (self.path / events.LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text.rstrip()}\n")

    def save_config(self, run: RunConfig) -> None:
        """Write config.json."""
        configuration.save(run, self.path / events.CONFIG_FILE)

    # Stopping

    def _remove_old_stop(self) -> None:
        """A stop file from before this process was meant for the one before; a newer one is meant for us."""
        stop = self.path / events.STOP_FILE
        try:
            if stop.stat().st_mtime < self._started - 1.0:
                stop.unlink()
        except FileNotFoundError:
            return

    def stop_wanted(self) -> bool:
        """Whether somebody put the stop file here; it is removed."""
        stop = self.path / events.STOP_FILE
        if not stop.exists():
            return False
        stop.unlink(missing_ok=True)
        return True

    # Heartbeat

    def _beat(self) -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk ends the run where it matters: at its next checkpoint
                events.write_heartbeat(self.path, self._started)
            if self._closing.wait(HEARTBEAT_S):
                return

    # Checkpoints

    def relative(self, path: Path) -> str:
        """As events name files."""
        return path.relative_to(self.path).as_posix()

    def path_of(self, step: int) -> Path:
        """Where the checkpoint of `step` is."""
        return self.checkpoints / f"step-{step:08d}.pt"

    def save(self, checkpoint: Checkpoint, keep: int) -> Path:
        """Write the step's checkpoint, then remove the oldest beyond `keep`. Raises OSError."""
        path = self.path_of(checkpoint.step)
        save_checkpoint(checkpoint, path)
        for old in self.saved()[: -max(1, keep)]:
            old.unlink(missing_ok=True)
        return path

    def save_best(self, checkpoint: Checkpoint) -> Path:
        """Write best.pt, without what only resuming needs. Raises OSError."""
        path = self.checkpoints / "best.pt"
        save_checkpoint(dataclasses.replace(checkpoint, training=None), path)
        return path

    def saved(self) -> list[Path]:
        """Checkpoints by step, the newest last."""
        return sorted(self.checkpoints.glob("step-*.pt"))

    def newest(self) -> tuple[Checkpoint, list[str]]:
        """The newest readable checkpoint to resume from, and a warning for each torn one passed over.

        Raises CheckpointError where none is left.
        """
        warnings = []
        for path in reversed(self.saved()):
            try:
                checkpoint = load_checkpoint(path, verify=True)
            except (CheckpointError, ConfigError) as error:
                warnings.append(f"{error}; the checkpoint before it is used")
                continue
            if checkpoint.training is not None:
                return checkpoint, warnings
        raise CheckpointError(
            f"{self.path} has no checkpoint to resume from"
            + (f" ({warnings[0]})" if warnings else ": it ended before its first was saved")
            + "; start the run again with another --out"
        )


def busy_process(folder: Path) -> int | None:
    """The process that works on `folder` right now, by its fresh heartbeat; None where nobody does."""
    beat = events.read_heartbeat(folder)
    if beat is None or time.time() - beat["time"] > 3 * HEARTBEAT_S or beat["pid"] == os.getpid():
        return None
    pid = int(beat["pid"])
    if os.name == "posix":  # elsewhere signal 0 would not ask but act
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
    return pid
