"""Whoever computes it: the same micro-batches in the same updates."""

from collections.abc import Sequence

import pytest

from engine.config import ConfigError
from engine.data.examples import Example
from engine.data.read_ahead import Position
from engine.training.update_plan import UpdatePlan, check_sharing, places_of
from engine.training.world import World, announced

SIZES = (3, 1, 4, 2)
"""Batches in each epoch."""


def plan(epoch: int) -> Sequence[Sequence[Example]]:
    return [[Example((), 100 * epoch + place)] for place in range(SIZES[epoch % 4])]


def taken(size: int, accumulate: int, updates: int, start: Position | None = None) -> list[list[tuple[int, int]]]:
    """(epoch, batch) of every update, in the order of the places in it, put together from all processes."""
    found = []
    plans = [UpdatePlan(plan, accumulate, World(rank, size), 7, start) for rank in range(size)]
    for update in range(7, 7 + updates):
        places: dict[int, tuple[int, int]] = {}
        for rank, own in enumerate(plans):
            mine = own(update)
            for place, batch in zip(places_of(World(rank, size), accumulate), mine, strict=True):
                assert batch[0].index == 100 * batch.epoch + batch.number
                places[place] = (batch.epoch, batch.number)
        found.append([places[place] for place in range(accumulate)])
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_any_number_of_processes_shares_the_one_order(size: int) -> None:
    order = [(epoch, number) for epoch in range(9) for number in range(SIZES[epoch % 4])]
    updates = taken(size, 5, 4)
    assert [batch for update in updates for batch in update] == order[:20]


def test_a_run_goes_on_where_the_update_began_with_other_processes() -> None:
    whole = taken(1, 4, 5)
    half = UpdatePlan(plan, 4, World(1, 2), 7)
    half(7), half(8), half(9), half(10)  # read ahead
    start = half.start_of(9)
    assert (start.epoch, start.index) == whole[2][0]
    assert taken(3, 4, 3, start) == whole[2:]


def test_what_cannot_be_shared_is_said() -> None:
    assert check_sharing(World(0, 4), 8, True) == ""
    assert "loop.accumulate=4 or 8 would use all" in check_sharing(World(0, 4), 6, False)
    with pytest.raises(ConfigError, match="multiple of 4 instead of 6"):
        check_sharing(World(0, 4), 6, True)
    with pytest.raises(ConfigError, match=r"loop.accumulate=1 .* shared by 4 processes: set loop.accumulate=4"):
        check_sharing(World(0, 4), 1, False)


def test_the_world_is_read_from_the_environment() -> None:
    assert announced({}) == World()
    assert announced({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}) == World()
    place = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
    assert announced(place | {"MASTER_ADDR": "node1"}) == World(5, 8, 1)
    with pytest.raises(ConfigError, match=r"WORLD_SIZE=8, but there is no MASTER_ADDR: start .* with torchrun"):
        announced(place)
    with pytest.raises(ConfigError, match="whole numbers"):
        announced(place | {"RANK": "first"})
