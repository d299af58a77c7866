import threading

import numpy as np
import pytest

from w2v_studio.audio.ring_buffer import RingBuffer


@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_it_behaves_as_a_list_with_a_limit(seed, grows):
    rng = np.random.default_rng(seed)
    capacity, channels = int(rng.integers(1, 40)), int(rng.integers(1, 3))
    limit = int(rng.integers(1, 500)) if grows else None
    ring, waiting, dropped, count = RingBuffer(capacity, channels, limit), [], 0, 0
    most = capacity if limit is None else max(capacity, limit)
    for _ in range(300):
        if rng.random() < 0.5:
            size = int(rng.integers(0, 2 * capacity))
            rows = np.arange(count, count + size, dtype=np.float32)[:, None].repeat(channels, axis=1)
            count += size
            fitting = most - len(waiting)
            waiting += list(rows[:fitting, 0])
            dropped += max(0, size - fitting)
            ring.write(rows)
        else:
            limit = None if rng.random() < 0.3 else int(rng.integers(0, capacity + 3))
            size = len(waiting) if limit is None else min(limit, len(waiting))
            expected, waiting = waiting[:size], waiting[size:]
            taken = ring.read(limit)
            assert taken.shape == (size, channels)
            assert taken[:, -1].tolist() == expected
        assert ring.available == len(waiting)
        assert ring.dropped == dropped


def test_rows_written_while_nobody_reads_are_kept_beside_a_reader_that_comes_and_goes():
    ring, total = RingBuffer(8, limit=10**9), 300_000
    written = np.arange(total, dtype=np.float32)[:, None]
    taken, rng = [], np.random.default_rng(3)

    def read_all():
        got, sizes = 0, np.random.default_rng(4)
        while got < total:
            rows = ring.read(int(sizes.integers(1, 5000)))
            got += len(rows)
            taken.append(rows)

    reader = threading.Thread(target=read_all)
    reader.start()
    place = 0
    while place < total:
        size = int(rng.integers(1, 400))
        ring.write(written[place : place + size])
        place += size
    reader.join(timeout=60)
    assert np.array_equal(np.concatenate(taken), written)
    assert ring.dropped == ring.available == 0


def test_a_reading_thread_gets_every_row_in_order():
    ring, total = RingBuffer(1000), 200_000
    written = np.arange(total, dtype=np.float32)[:, None]
    taken = []

    def read_all():
        got = 0
        while got < total:
            rows = ring.read()
            got += len(rows)
            taken.append(rows)

    reader = threading.Thread(target=read_all)
    reader.start()
    place = 0
    while place < total:
        room = 1000 - ring.available
        rows = written[place : place + min(room, 137)]
        ring.write(rows)
        place += len(rows)
    reader.join(timeout=60)
    assert np.array_equal(np.concatenate(taken), written)
    assert ring.dropped == 0


def test_what_was_read_is_not_overwritten_later():
    ring = RingBuffer(4)
    ring.write(np.ones((4, 1), np.float32))
    taken = ring.read()
    ring.write(np.zeros((4, 1), np.float32))
    assert taken.tolist() == [[1], [1], [1], [1]]
