import threading
from pathlib import Path

import numpy as np
import pytest

from engine.data.examples import Example
from engine.data.manifest import Clip, DataError
from engine.data.read_ahead import BatchStream, Position

EXAMPLES = [Example((Clip(Path(str(place)), 1.0),), place) for place in range(7)]


def plan(epoch: int) -> list[list[Example]]:
    order = np.random.default_rng(epoch).permutation(7)
    return [[EXAMPLES[place] for place in order[start : start + 2]] for start in range(0, 7, 2)]


def make(examples: list[Example], epoch: int, index: int) -> tuple[int, int, list[int]]:
    return epoch, index, [example.index for example in examples]


def taken(workers: int, count: int, start: Position | None = None) -> list[tuple[int, int, list[int]]]:
    stream = BatchStream(plan, make, workers, start)
    try:
        return [stream.take() for _ in range(count)]
    finally:
        stream.close()


def test_order_is_the_plan_whatever_the_number_of_threads() -> None:
    wanted = [make(batch, epoch, index) for epoch in range(3) for index, batch in enumerate(plan(epoch))]
    assert taken(1, 12) == wanted
    assert taken(4, 12) == wanted


@pytest.mark.parametrize("done", [1, 3, 4, 5])
def test_going_on_from_a_position_gives_what_would_have_come(done: int) -> None:
    stream = BatchStream(plan, make, 2)
    for _ in range(done):
        stream.take()
    position = stream.position
    stream.close()
    assert taken(2, 6, position) == taken(2, 6 + done)[done:]


def test_no_more_than_a_few_batches_are_made_ahead() -> None:
    made: list[int] = []
    stream = BatchStream(plan, lambda _examples, _epoch, index: made.append(index), workers=2)
    stream.take()
    stream.close()
    assert len(made) <= 3


def test_what_went_wrong_in_a_thread_is_raised_where_the_batch_is_taken() -> None:
    def fail(_examples: list[Example], _epoch: int, index: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        if index == 1:
            raise DataError("m.tsv:3: no sound")
        return index

    stream = BatchStream(plan, fail, 1)
    assert stream.take() == 0
    with pytest.raises(DataError, match="no sound"):
        stream.take()
    stream.close()
