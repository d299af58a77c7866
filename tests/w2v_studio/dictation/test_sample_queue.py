import numpy as np
import pytest

from w2v_studio.dictation.sample_queue import SampleQueue


@pytest.mark.parametrize("seed", range(10))
def test_it_gives_what_was_put_in_order(seed):
    rng = np.random.default_rng(seed)
    queue, given, taken, count = SampleQueue(), 0, [], 0
    for _ in range(300):
        if rng.random() < 0.5:
            size = int(rng.integers(0, 700))
            queue.put(np.arange(given, given + size, dtype=np.float32))
            given += size
        else:
            samples, is_end = queue.take(int(rng.integers(0, 900)))
            taken.append(samples)
            count += len(samples)
            assert not is_end
        assert queue.waiting == given - count
    queue.close()
    samples, is_end = queue.take(10**9)
    assert is_end
    assert np.array_equal(np.concatenate([*taken, samples]), np.arange(given, dtype=np.float32))


def test_the_end_comes_with_the_last_samples_and_clearing_begins_anew():
    queue = SampleQueue()
    queue.put(np.zeros(100, np.float32))
    queue.close()
    assert queue.take(60)[1] is False
    assert queue.take(60)[1] is True
    queue.clear()
    samples, is_end = queue.take(5)
    assert (len(samples), is_end, queue.waiting) == (0, False, 0)
