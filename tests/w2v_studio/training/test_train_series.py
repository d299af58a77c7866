import itertools

import numpy as np

from w2v_studio.training.series import Series


def test_short_curves_are_kept_as_they_are() -> None:
    series = Series(capacity=8)
    for step in range(5):
        series.append(step, step * 2.0)
    series.append(5, None)
    steps, values = series.points()
    assert steps.tolist() == [0, 1, 2, 3, 4]
    assert values.tolist() == [0, 2, 4, 6, 8]


def test_long_curves_stay_bounded_keep_their_mean_and_show_the_newest() -> None:
    series = Series(capacity=64)
    truth = np.sin(np.arange(10_000) / 500)
    for step, value in enumerate(truth):
        series.append(step, float(value))
        assert len(series.points()[0]) <= 65
    steps, values = series.points()
    assert steps[-1] == 9_999
    assert np.all(np.diff(steps) > 0)
    # each point stands for the steps up to it: it is their mean
    edges = np.concatenate(([-1], steps)).astype(int)
    expected = [truth[first + 1 : last + 1].mean() for first, last in itertools.pairwise(edges)]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_a_resumed_run_overwrites_what_it_does_again() -> None:
    series = Series(capacity=8)
    for step in range(1, 6):
        series.append(step, 1.0)
    series.cut_after(3)
    series.append(4, 7.0)
    steps, values = series.points()
    assert steps.tolist() == [1, 2, 3, 4]
    assert values[-1] == 7.0
