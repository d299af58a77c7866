import numpy as np
import pytest

from w2v_studio.recognition.history import History


@pytest.mark.parametrize("seed", range(20))
def test_it_behaves_as_the_end_of_a_list(seed):
    rng = np.random.default_rng(seed)
    history, whole, first = History(np.zeros((0, 2), np.float32)), [], 0
    for _ in range(400):
        action = rng.random()
        if action < 0.6:
            rows = rng.normal(size=(int(rng.integers(0, 300)), 2)).astype(np.float32)
            history.append(rows)
            whole += rows.tolist()
        elif action < 0.95:
            before = int(rng.integers(0, len(whole) + 10))
            history.forget(before)
            first = max(first, min(before, len(whole)))
        else:
            index = len(whole) + int(rng.integers(-5, 50))
            history.skip_to(index)
            if index > len(whole):
                first = index
                whole += [[0.0, 0.0]] * (index - len(whole))
        assert (history.first, history.end) == (first, len(whole))
        start, stop = sorted(int(edge) for edge in rng.integers(first, len(whole) + 1, 2))
        assert history.between(start, stop).tolist() == whole[start:stop]


def test_forgotten_and_future_rows_are_refused():
    history = History(np.zeros(0, np.float32))
    history.append(np.arange(100, dtype=np.float32))
    history.forget(21)
    with pytest.raises(IndexError, match="rows 20 to 23 asked of a history that holds 21 to 100"):
        history.between(20, 23)
    with pytest.raises(IndexError):
        history.between(90, 101)
    history.forget(5)
    assert history.between(21, 22).tolist() == [21]


def test_what_was_given_out_does_not_change_later():
    history = History(np.zeros(0, np.float32))
    history.append(np.arange(200, dtype=np.float32))
    given = history.between(150, 200)
    history.forget(199)
    for _ in range(10):
        history.append(np.zeros(100, np.float32))
        history.forget(history.end - 1)
    assert given.tolist() == list(range(150, 200))


def test_memory_follows_what_is_kept():
    history = History(np.zeros(0, np.float32))
    for _ in range(2000):
        history.append(np.zeros(512, np.float32))
        history.forget(history.end - 1000)
    assert history.nbytes <= 4 * 4 * 1512
    history.append(np.zeros(1_000_000, np.float32))
    history.forget(history.end - 1000)
    for _ in range(10_000):
        history.append(np.zeros(512, np.float32))
        history.forget(history.end - 1000)
    assert history.nbytes <= 4 * 4 * 1512
