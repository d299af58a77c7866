import numpy as np
import pytest

from w2v_studio.dictation.sample_queue import SampleQueue
from w2v_studio.dictation.scope import BIN_SAMPLES, KEPT_S, Scope
from w2v_studio.widgets.waveform_plot import envelope


def test_chunks_of_any_size_give_the_envelope_of_the_whole():
    rng = np.random.default_rng(0)
    waveform = rng.uniform(-1, 1, 30000).astype(np.float32)
    scope = Scope()
    start = 0
    while start < len(waveform):
        size = int(rng.integers(1, 900))
        scope.push_samples(waveform[start : start + size])
        start += size
    scope.hold()
    snapshot = scope.snapshot()
    low, high = envelope(waveform, BIN_SAMPLES)
    np.testing.assert_array_equal(snapshot.minima, low)
    np.testing.assert_array_equal(snapshot.maxima, high)
    assert snapshot.envelope_start_s == 0
    assert snapshot.now_s == len(waveform) / 16000


def test_only_the_last_seconds_are_kept_with_their_times():
    scope = Scope()
    for second in range(40):
        scope.push_samples(np.full(16000, second / 100, np.float32))
        codes = np.full((50, 2), second, np.int64)
        scope.push_frames(50 * second, codes, np.full(50, second % 2 == 0))
    snapshot = scope.snapshot()
    first_s = 40 - KEPT_S
    assert snapshot.envelope_start_s == first_s
    assert snapshot.maxima[0] == pytest.approx(first_s / 100)
    assert snapshot.first_frame == first_s * 50
    assert snapshot.code_ids[:, 0].tolist() == np.repeat(np.arange(24, 40), 50).tolist()
    assert snapshot.time_mask.tolist() == [frame // 50 % 2 == 0 for frame in range(1200, 2000)]


def test_a_model_with_other_groups_starts_its_lane_anew():
    scope = Scope(groups=2)
    scope.push_frames(0, np.zeros((3, 1), np.int64), np.zeros(3, bool))
    assert scope.snapshot().code_ids.shape == (3, 1)


def test_levels_are_the_loudest_since_the_last_look():
    scope = Scope()
    scope.push_samples(np.full(160, 0.5, np.float32))
    scope.push_samples(np.full(160, 0.01, np.float32))
    assert scope.snapshot().peak_db == pytest.approx(-6.02, abs=0.01)
    assert scope.snapshot().peak_db < -90


def test_the_queue_gives_everything_once_and_says_when_it_is_over():
    queue = SampleQueue()
    pieces = [np.arange(start, start + 7, dtype=np.float32) for start in range(0, 70, 7)]
    for piece in pieces:
        queue.put(piece)
    assert queue.waiting == 70
    taken, is_end = queue.take(64)
    assert (len(taken), is_end, queue.waiting) == (64, False, 6)
    queue.close()
    rest, is_end = queue.take(64)
    assert is_end
    assert np.concatenate((taken, rest)).tolist() == list(range(70))
    queue.clear()
    assert queue.take(1)[1] is False
