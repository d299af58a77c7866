"""Means over the updates since the last step event."""

from __future__ import annotations

import time

from torch import Tensor

from engine.events import Step
from engine.training.objectives import Contribution, merge_sums


class Meter:
    """Adds up what the updates say, without waiting for a GPU, and gives a step event from it."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._means: dict[str, Tensor] = {}
        self._loss: Tensor | float = 0.0
        self._norm: Tensor | float = 0.0
        self._count = self._parts = self._updates = 0
        self._audio_s = 0.0
        self._since = time.monotonic()
        self._paused_s = 0.0

    @property
    def updates(self) -> int:
        """Updates since the last event."""
        return self._updates

    def add_part(self, part: Contribution, audio_s: float) -> None:
        """Count a micro-batch."""
        merge_sums(self._sums, part.sums)
        merge_sums(self._means, part.means)
        self._loss = self._loss + part.loss.detach()
        self._count += part.count
        self._parts += 1
        self._audio_s += audio_s

    def add_update(self, gradient_norm: Tensor) -> None:
        """Count an update."""
        self._norm = self._norm + gradient_norm.detach()
        self._updates += 1

    def pause(self, seconds: float) -> None:
        """Time that did not go into training (evaluation, saving) does not lower the throughput."""
        self._paused_s += seconds

    def event(
        self, step: int, learning_rate: float, elapsed_s: float, eta_s: float, temperature: float | None, audio_s: float
    ) -> Step:
        """The event of `step`; counting begins anew."""
        spent_s = max(time.monotonic() - self._since - self._paused_s, 1e-9)
        measures = {name: float(value) / self._count for name, value in self._sums.items()}
        measures |= {name: float(value) / self._parts for name, value in self._means.items()}
        event = Step(
            step=step,
            loss=float(self._loss) / self._count,
            learning_rate=learning_rate,
            throughput=self._audio_s / spent_s,
            elapsed_s=elapsed_s,
            eta_s=eta_s,
            gradient_norm=float(self._norm) / self._updates,
            gumbel_temperature=temperature,
            audio_s=audio_s,
            **measures,
        )
        self._clear()
        return event
