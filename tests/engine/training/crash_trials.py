"""What test_crashes.py starts: children that train and die by a signal that nothing can catch, over and over.

Prints one JSON object for each life: where it was to die, the signal that ended it, the last checkpoint that its events
tell of, and the step that a resume would start from. Children are forked before any backward pass: autograd's threads
do not survive a fork.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # by the first optimizer step otherwise, in each child anew

from engine import config
from engine.events import CheckpointSaved, EventReader
from engine.training import checkpoint
from engine.training.checkpoint import CheckpointError
from engine.training.run_folder import RunFolder
from engine.training.session import run_training

LONGEST_LIFE_S = 2.0


def die() -> None:
    """kill -9 of this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def half_written(calls: int) -> None:
    """Half of the file of the `calls`-th checkpoint is on the disk when the power goes."""
    save, count = torch.save, iter(range(1, 1000))

    def write(content: Any, file: Any) -> None:
        save(content, file)
        if next(count) == calls:
            file.flush()
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size // 2)
            die()

    checkpoint.torch.save = write


def before_the_rename(calls: int) -> None:
    """All of it is written, under its temporary name."""
    rename, count = Path.replace, iter(range(1, 1000))

    def replace(self: Path, target: Path) -> Path:
        if self.name.endswith(".pt.tmp") and next(count) == calls:
            die()
        return rename(self, target)

    Path.replace = replace  # type: ignore[method-assign]


def before_the_event(calls: int) -> None:
    """It has its name, and nobody was told."""
    flush, count = checkpoint._flush_folder, iter(range(1, 1000))

    def flushed(folder: Path) -> None:
        flush(folder)
        if next(count) == calls:
            die()

    checkpoint._flush_folder = flushed


def live(run_file: Path, folder: Path, prepare: Callable[[], None]) -> int:
    """One life of the run in a child; the signal that ended it, 0 where it reached its end."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
            with RunFolder(folder) as record:
                end = run_training(config.load(run_file), record, resume=bool(record.saved()))
            os._exit(0 if hasattr(end, "reason") else 99)
        except BaseException:
            os._exit(98)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"a life ended by itself with {os.WEXITSTATUS(status)}: {folder / 'log.txt'}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def report(place: str, ended_by: int, folder: Path) -> None:
    told = [event.step for event in EventReader(folder).poll() if isinstance(event, CheckpointSaved) and not event.best]
    with RunFolder(folder) as record:
        try:
            newest = record.newest()[0].step
        except CheckpointError:
            newest = 0
        left = [path.name for path in record.checkpoints.glob("*.tmp")]
    print(json.dumps({"place": place, "signal": ended_by, "told": max(told, default=0), "next": newest, "left": left}))


def main() -> None:
    run_file, place = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    live(run_file, place / "straight", lambda: None)
    for name, inject in (("half", half_written), ("unnamed", before_the_rename), ("untold", before_the_event)):
        folder = place / "killed"
        for calls in (1, 3):
            report(name, live(run_file, folder, lambda inject=inject, calls=calls: inject(calls)), folder)
    draw = random.Random(7)
    folder = place / "random"
    for _ in range(4):
        life_s = draw.uniform(0.05, LONGEST_LIFE_S)  # SIGALRM unhandled ends a process as suddenly as kill -9
        report("random", live(run_file, folder, lambda s=life_s: signal.setitimer(signal.ITIMER_REAL, s)), folder)
    for name in ("killed", "random"):
        report(name, live(run_file, place / name, lambda: None), place / name)


if __name__ == "__main__":
    main()
