"""A curve that grows for days and stays small: values by step, thinned by pairwise means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


class Series:
    """Values over steps. Above `capacity` points, neighbours are averaged two by two, so the whole run stays visible.

    New values are then averaged over as many steps events as one old point stands for, before they become a point;
    the newest, unfinished mean is shown too.
    """

    def __init__(self, capacity: int = 2000) -> None:
        if capacity < 4 or capacity % 2:
            raise ValueError(f"capacity={capacity} must be an even number of at least 4 points")
        self._capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Forget all points."""
        self._steps: list[float] = []
        self._values: list[float] = []
        self._stride = 1
        self._open: list[tuple[float, float]] = []

    def append(self, step: float, value: float | None) -> None:
        """Add one value; None (not measured, or not finite) adds nothing."""
        if value is None:
            return
        self._open.append((step, value))
        if len(self._open) < self._stride:
            return
        self._close_point()
        if len(self._steps) >= self._capacity:
            pairs = range(0, len(self._steps) - 1, 2)
            self._values = [(self._values[place] + self._values[place + 1]) / 2 for place in pairs]
            self._steps = [self._steps[place + 1] for place in pairs]
            self._stride *= 2

    def cut_after(self, step: float) -> None:
        """Drop the points after `step`: a resumed run does those again."""
        self._open = [point for point in self._open if point[0] <= step]
        while self._steps and self._steps[-1] > step:
            self._steps.pop()
            self._values.pop()

    def points(self) -> Points:
        """Steps and values, each (points,) float64, oldest first."""
        steps, values = self._steps, self._values
        if self._open:
            steps = [*steps, self._open[-1][0]]
            values = [*values, self._open_mean()]
        return np.array(steps, dtype=np.float64), np.array(values, dtype=np.float64)

    def _open_mean(self) -> float:
        return sum(value for _, value in self._open) / len(self._open)

    def _close_point(self) -> None:
        self._steps.append(self._open[-1][0])
        self._values.append(self._open_mean())
        self._open = []
