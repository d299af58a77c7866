"""Batches without end, made ahead by threads, always in the same order, from any place on. No torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.data.examples import Example

Made = TypeVar("Made")
Plan = Callable[[int], Sequence[Sequence[Example]]]


@dataclass(frozen=True)
class Position:
    """The next batch: its epoch, and its place in it."""

    epoch: int = 0
    index: int = 0


class BatchStream(Generic[Made]):
    """Endless batches: `plan(epoch)` says which examples, `make(examples, epoch, index)` reads them.

    At most `workers` + 1 batches wait; `position` is the place after the last batch that `take` gave.
    """

    def __init__(
        self,
        plan: Plan,
        make: Callable[[Sequence[Example], int, int], Made],
        workers: int = 1,
        start: Position | None = None,
    ) -> None:
        self._plan, self._make = plan, make
        self.position = start or Position()
        self._depth = max(1, workers) + 1
        self._pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="read-ahead")
        self._waiting: deque[tuple[Position, Future[Made]]] = deque()
        self._planned_epoch, self._batches = -1, list[Sequence[Example]]()
        self._next = self.position

    def _submit(self) -> None:
        if self._next.epoch != self._planned_epoch:
            self._batches = list(self._plan(self._next.epoch))
            self._planned_epoch = self._next.epoch
        place = self._next
        future = self._pool.submit(self._make, self._batches[place.index], place.epoch, place.index)
        ended = place.index + 1 >= len(self._batches)
        self._next = Position(place.epoch + 1, 0) if ended else Position(place.epoch, place.index + 1)
        self._waiting.append((self._next, future))

    def take(self) -> Made:
        """The next batch. Raises what reading it raised."""
        while len(self._waiting) < self._depth:
            self._submit()
        after, future = self._waiting.popleft()
        made = future.result()
        self.position = after
        return made

    def close(self) -> None:
        """End the threads; what they were at is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._waiting.clear()
