import numpy as np
import pytest

from w2v_studio.recognition.offset_removal import OffsetRemoval


def taken(stage, sound):
    return np.concatenate([stage.take(block) for block in sound[: len(sound) // 512 * 512].reshape(-1, 512)])


def test_speech_without_an_offset_passes_unchanged(digits_waveform):
    stage = OffsetRemoval()
    for block in digits_waveform[: len(digits_waveform) // 512 * 512].reshape(-1, 512):
        assert stage.take(block) is block
    assert stage.rest(digits_waveform[:5]) is not None
    thud = (0.5 * np.sin(np.arange(16 * 512) * 2 * np.pi * 15 / 16000)).astype(np.float32)
    after = taken(stage, thud)
    assert np.array_equal(after, thud)


@pytest.mark.parametrize("offset", [0.3, -0.1, 0.01])
def test_an_offset_is_taken_out_from_the_first_block_on(offset, digits_waveform):
    stage = OffsetRemoval()
    found = taken(stage, digits_waveform + np.float32(offset))
    difference = found - digits_waveform[: len(found)]
    assert np.abs(difference).max() < 0.01
    assert np.abs(np.diff(difference)).max() < 1e-3  # no clicks
    assert np.abs(stage.rest(np.full(7, offset, np.float32))).max() < 0.01
    stage.reset()
    assert stage.take(digits_waveform[:512]) is not None
    assert stage.rest(np.full(7, 0.5, np.float32))[0] == 0.5


def test_an_offset_that_ends_is_let_go(digits_waveform):
    stage = OffsetRemoval()
    taken(stage, np.full(512 * 64, 0.2, np.float32))
    quiet = np.zeros(512 * 64 * 8, np.float32)
    assert np.abs(taken(stage, quiet)[-512:]).max() == 0
