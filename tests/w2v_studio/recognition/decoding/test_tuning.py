"""The walk over weights against the whole grid, and priors against torch's softmax."""

import itertools

import numpy as np
import pytest
import torch

from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.tuning import STEPS, log_priors, walk


@pytest.mark.parametrize("floor", [(0.45, 1.0, -0.5), (0.0, 2.0, 4.0), (0.85, 0.2, -3.0)])
def test_the_walk_ends_where_the_whole_grid_is_least(floor):
    def rate(weights: DecodingDefaults) -> float:
        away = [
            (getattr(weights, name) - aim) / (steps[-1] - steps[0])
            for (name, steps), aim in zip(STEPS.items(), floor, strict=True)
        ]
        # A valley that lies across the axes.
        return sum(each**2 for each in away) + away[0] * away[1] + 0.5 * away[1] * away[2]

    start = DecodingDefaults(confidence_temperature=0.3, lm_weight=0.83, beam_width=7)
    trials = list(walk(start, rate))
    tried = [tuple(getattr(trial.weights, name) for name in STEPS) for trial in trials]
    assert tried[0] == (0.0, 0.8, 1.0)
    assert len(set(tried)) == len(tried) < 60
    assert all(trial.wer == rate(trial.weights) for trial in trials)
    assert all((trial.weights.confidence_temperature, trial.weights.beam_width) == (0.3, 7) for trial in trials)
    grid = [
        rate(DecodingDefaults(**dict(zip(STEPS, values, strict=True)))) for values in itertools.product(*STEPS.values())
    ]
    assert min(trial.wer for trial in trials) == pytest.approx(min(grid))


def test_priors_are_mean_probabilities():
    rng = np.random.default_rng(3)
    parts = [rng.normal(0, 2, (frames, 5)).astype(np.float32) for frames in (7, 30)]
    for rows in parts:
        rows[:, 4] = -60
    found = log_priors(parts)
    expected = torch.softmax(torch.tensor(np.concatenate(parts)), -1).mean(0).log()
    assert found[:4] == pytest.approx(expected[:4].tolist(), abs=1e-3)
    assert found[4] == -9.0
