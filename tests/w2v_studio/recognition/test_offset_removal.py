import numpy as np
import pytest

from w2v_studio.recognition.offset_removal import OffsetRemoval, without_offset
from w2v_studio.recognition.transcribe import analyse, transcribe


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


@pytest.mark.parametrize("samples", [None, 8000])
def test_an_array_with_an_offset_is_read_as_the_same_array_without(samples, recognizer, digits_waveform):
    clean = digits_waveform[:samples] - digits_waveform[:samples].mean()
    tilted = clean + np.float32(0.1)
    assert np.abs(recognizer.features(tilted).latents - recognizer.features(clean).latents).max() > 0.1
    assert np.abs(analyse(recognizer, tilted).logits - analyse(recognizer, clean).logits).max() < 1e-3
    written, found = (transcribe(recognizer, each, cut="never").text for each in (clean, tilted))
    assert found == written != ""


def test_an_array_without_an_offset_is_left_as_it_is(digits_waveform):
    low = (0.5 * np.sin(np.arange(2000) * 2 * np.pi * 5 / 16000)).astype(np.float32)  # a mean of its own over so little
    for each in (digits_waveform, low, digits_waveform[:0]):
        assert without_offset(each) is each
