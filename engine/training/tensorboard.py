"""The run's numbers as TensorBoard files, in the folder `tensorboard` of the run, where TensorBoard is installed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from engine.events import Evaluation, Event, Failed, Finished, Step

FOLDER = "tensorboard"
NOT_CURVES = ("step", "time", "elapsed_s", "eta_s", "audio_s")


class TensorBoardFiles:
    """A listener of a run's events that writes their numbers as scalars."""

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # an optional companion: the event file has the same numbers
            self._writer: Any = None
        else:
            self._writer = SummaryWriter(str(run / FOLDER))

    def __call__(self, event: Event) -> None:
        """Write an event's numbers."""
        if self._writer is None:
            return
        if isinstance(event, Step | Evaluation):
            part = "train" if isinstance(event, Step) else "valid"
            for name, value in dataclasses.asdict(event).items():
                if name not in NOT_CURVES and isinstance(value, int | float):
                    self._writer.add_scalar(f"{part}/{name}", value, event.step, walltime=event.time)
        elif isinstance(event, Finished | Failed):
            self._writer.close()
