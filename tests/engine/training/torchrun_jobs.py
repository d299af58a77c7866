"""What torchrun starts in test_distributed.py: trains a list of jobs, keeps their gradients, then runs a command.

A job is {"config", "folder", "resume"}, and what shall happen on the way: "signal_rank", "broken_rank", "own_folders".
The result, one file for each job and process, holds every update's gradients (whole), the counts of each process, and
the last event.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from engine import config, events
from engine.__main__ import main as w2v_engine
from engine.data.batches import PretrainingCollator
from engine.data.manifest import DataError
from engine.training import loop
from engine.training.follower import Follower
from engine.training.parallel import local_value
from engine.training.run_folder import RunFolder
from engine.training.session import run_training
from engine.training.stopping import StopSignals
from engine.training.world import ALONE, World, joined

EVENT_TO_BREAK_AT = 3


def carry_out(job: dict[str, Any], world: World = ALONE) -> dict[str, Any]:
    """Train one job; its gradients, counts and end."""
    gradients: list[list[torch.Tensor | None]] = []
    counts: list[list[float]] = []
    folder = Path(job["folder"])
    clip, divide = loop.clip_gradients, loop.divide_gradients

    def keep(parameters: list[Any], limit: float) -> torch.Tensor:
        grads = [parameter.grad for parameter in parameters]
        gradients.append([None if grad is None else local_value(grad).clone() for grad in grads])
        return clip(parameters, limit)

    def count(parameters: list[Any], total: float) -> Any:
        counts.append(world.gather(float(sum(part.count for part in parts))))
        parts.clear()
        return divide(parameters, total)

    parts: list[Any] = []
    add = loop.Meter.add_part

    def note(meter: Any, part: Any, audio_s: float) -> None:
        parts.append(part)
        add(meter, part, audio_s)

    def updated(step: int) -> None:
        if step == 2 and job.get("signal_rank") == world.rank:
            os.kill(os.getpid(), signal.SIGTERM)

    loop.clip_gradients, loop.divide_gradients, loop.Meter.add_part = keep, count, note  # type: ignore[assignment]
    collate = PretrainingCollator.__call__
    calls = []

    def broken(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > EVENT_TO_BREAK_AT:
            raise DataError("clip 7 is no audio")
        return collate(self, *arguments)

    if job.get("broken_rank") == world.rank:
        PretrainingCollator.__call__ = broken  # type: ignore[method-assign]
    try:
        if job.get("own_folders") and not world.is_first:
            folder = folder.with_name(f"{folder.name}-{world.rank}")
        record = RunFolder(folder) if world.is_first else Follower(folder, world.rank)
        with StopSignals() as signals, record:
            run = config.load(Path(job["config"]))
            end = run_training(
                run, record, resume=job.get("resume", False), signals=signals, on_update=updated, world=world
            )
    finally:
        loop.clip_gradients, loop.divide_gradients, loop.Meter.add_part = clip, divide, add  # type: ignore[method-assign]
        PretrainingCollator.__call__ = collate  # type: ignore[method-assign]
    return {"gradients": gradients, "counts": counts, "end": events.to_line(end)}


def killed_after_saving() -> None:
    """The first process of the first attempt dies by kill -9 once a checkpoint is on the disk."""
    save = RunFolder.save

    def save_and_die(self: RunFolder, checkpoint: Any, keep: int) -> Path:
        save(self, checkpoint, keep)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    RunFolder.save = save_and_die  # type: ignore[method-assign]


def main() -> None:
    """All jobs but the last; the command, killed and started again; at last the job that breaks the connection."""
    jobs, results, command = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), sys.argv[3:]
    first_attempt = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if not first_attempt and w2v_engine(command) != 0:
        sys.exit(1)
    with joined("cpu") as world:
        for place, job in enumerate(jobs):
            if first_attempt != (place + 1 < len(jobs)):
                continue
            world.gather(place)  # a job begins when all have ended the one before
            torch.save(carry_out(job, world), results / f"{place}-{world.rank}.pt")
    if first_attempt:
        if world.is_first:
            killed_after_saving()
        w2v_engine(command)


if __name__ == "__main__":
    main()
