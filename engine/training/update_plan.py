"""Which micro-batches an update sums, and which process computes them.

There is one order of micro-batches, that of the epochs' plans, however many processes there are. An update takes the
next `accumulate` of it; process r of n computes those at places r, r + n, r + 2n ... in the update. So the number of
processes changes who computes, not what is learned, and a run may go on with another number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.config import ConfigError
from engine.data.examples import Example
from engine.data.read_ahead import Position
from engine.training.world import World


class MicroBatch(list[Example]):
    """Examples, and which batch of which epoch they are."""

    def __init__(self, examples: Sequence[Example], epoch: int, number: int) -> None:
        super().__init__(examples)
        self.epoch, self.number = epoch, number


def places_of(world: World, accumulate: int) -> range:
    """The places in an update that this process computes."""
    return range(world.rank, accumulate, world.size)


def check_sharing(world: World, accumulate: int, sharded: bool) -> str:
    """A warning where processes idle, or "". Raises ConfigError where some would have nothing to do at all."""
    size = world.size
    if size > accumulate:
        raise ConfigError(
            f"loop.accumulate={accumulate} micro-batches in an update cannot be shared by {size} processes: set "
            f"loop.accumulate={size} or a multiple of it; loop.batch_s x loop.accumulate is the audio in an update"
        )
    if accumulate % size == 0:
        return ""
    if sharded:
        raise ConfigError(
            f"loop.sharding=fsdp needs as many micro-batches in each of the {size} processes: set loop.accumulate to a "
            f"multiple of {size} instead of {accumulate}"
        )
    return (
        f"{accumulate} micro-batches in an update do not divide by {size} processes: some wait for the others; "
        f"loop.accumulate={accumulate // size * size} or {(accumulate // size + 1) * size} would use all of them"
    )


class UpdatePlan:
    """The updates from `first` on, which begins at `start`; `plan(epoch)` gives an epoch's batches."""

    def __init__(
        self,
        plan: Callable[[int], Sequence[Sequence[Example]]],
        accumulate: int,
        world: World,
        first: int = 0,
        start: Position | None = None,
    ) -> None:
        self._plan, self._accumulate, self._world = plan, accumulate, world
        self._next, self._cursor = first, start or Position()
        self._epoch, self._batches = -1, list[Sequence[Example]]()
        self._starts = {first: self._cursor}
        self._mine: dict[int, list[MicroBatch]] = {}

    def __call__(self, update: int) -> list[MicroBatch]:
        """What this process computes in `update`. Asked for in order."""
        self._reach(update)
        return self._mine.pop(update)

    def start_of(self, update: int) -> Position:
        """Where the first micro-batch of `update` stands; places before it are forgotten."""
        self._reach(update)
        for old in [known for known in self._starts if known < update]:
            del self._starts[old]
        return self._starts[update]

    def _reach(self, update: int) -> None:
        while self._next <= update:
            taken = [self._take() for _ in range(self._accumulate)]
            self._mine[self._next] = [taken[place] for place in places_of(self._world, self._accumulate)]
            self._next += 1
            self._starts[self._next] = self._cursor

    def _take(self) -> MicroBatch:
        epoch, index = self._cursor.epoch, self._cursor.index
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, list(self._plan(epoch))
        ended = index + 1 >= len(self._batches)
        self._cursor = Position(epoch + 1, 0) if ended else Position(epoch, index + 1)
        return MicroBatch(self._batches[index], epoch, index)
