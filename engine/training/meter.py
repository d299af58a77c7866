"""Means over the updates since the last step event, of all processes together."""

from __future__ import annotations

import time
from dataclasses import dataclass

from torch import Tensor

from engine.events import Step
from engine.training.objectives import Contribution, merge_sums
from engine.training.world import World


@dataclass(frozen=True)
class Reading:
    """A step event, with what the doctor wants to know beside it: sums of the signs over `updates` and `count`."""

    event: Step
    signs: dict[str, float]
    updates: int
    count: int


class Meter:
    """Adds up what the updates say, without waiting for a GPU, and gives a step event from it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._means: dict[str, Tensor] = {}
        self._signs: dict[str, Tensor] = {}
        self._loss: Tensor | float = 0.0
        self._norm: Tensor | float = 0.0
        self._count = self._parts = self._updates = 0
        self._audio_s = 0.0
        self._since = time.monotonic()
        self._paused_s = 0.0

    def add_part(self, part: Contribution, audio_s: float) -> None:
        """Count a micro-batch."""
        merge_sums(self._sums, part.sums)
        merge_sums(self._means, part.means)
        merge_sums(self._signs, part.signs)
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

    def read(
        self, step: int, learning_rate: float, elapsed_s: float, eta_s: float, temperature: float | None, audio_s: float
    ) -> Reading:
        """The event of `step`; counting begins anew. All processes read together."""
        spent_s = max(time.monotonic() - self._since - self._paused_s, 1e-9)
        groups = (self._sums, self._means, self._signs)
        names = [sorted(group) for group in groups]
        own = [float(group[name]) for group, known in zip(groups, names, strict=True) for name in known]
        count, parts, audio_here_s, loss, *values = self._world.total(
            [self._count, self._parts, self._audio_s, float(self._loss), *own]
        )
        sums, means, signs = (
            {name: values.pop(0) / divisor for name in known}
            for known, divisor in zip(names, (count, parts, 1.0), strict=True)
        )
        event = Step(
            step=step,
            loss=loss / count,
            learning_rate=learning_rate,
            throughput=audio_here_s / spent_s,
            elapsed_s=elapsed_s,
            eta_s=eta_s,
            gradient_norm=float(self._norm) / self._updates,
            gumbel_temperature=temperature,
            audio_s=audio_s,
            **sums,
            **means,
        )
        reading = Reading(event, signs, self._updates, int(count))
        self._clear()
        return reading
