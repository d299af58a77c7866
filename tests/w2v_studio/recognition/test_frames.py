import numpy as np
import pytest

from engine.config import ModelConfig
from w2v_studio.recognition.frames import FrameGrid


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 719, 720, 721, 16000, 123_457])
def test_counts_are_those_of_the_convolutions(samples):
    assert FrameGrid().count(samples) == ModelConfig().frame_count(samples)


@pytest.mark.parametrize("frames", [1, 2, 50, 999])
def test_the_samples_of_frames_are_the_fewest_that_give_them(frames):
    grid = FrameGrid()
    assert grid.count(grid.samples(frames)) == frames
    assert grid.count(grid.samples(frames) - 1) == frames - 1


@pytest.mark.parametrize("samples", [*range(390, 1100), 16000])
def test_padding_brings_the_last_sample_into_a_frame_and_no_frame_without_any_sample(samples):
    grid = FrameGrid()
    padded = grid.pad_tail(np.ones(samples, np.float32))
    frames = grid.count(len(padded))
    if samples < 400:
        assert len(padded) == samples
        return
    assert grid.samples(frames) == len(padded)
    assert samples <= grid.samples(frames) < samples + grid.stride
    assert grid.stride * (frames - 1) + grid.overlap < samples  # the last frame holds new sound
