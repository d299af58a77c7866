import numpy as np
import pytest

from w2v_studio.audio.level import FLOOR_DB, measure_level


def test_a_full_sine_peaks_at_0_and_has_3_db_less_in_the_mean():
    level = measure_level(np.sin(np.arange(16000) * 2 * np.pi * 100 / 16000).astype(np.float32))
    assert level.peak_db == pytest.approx(0, abs=0.01)
    assert level.rms_db == pytest.approx(-3.01, abs=0.01)
    assert level.is_clipping


def test_a_tenth_of_the_amplitude_is_20_db_less():
    level = measure_level(np.full(100, 0.1, np.float32))
    assert level.peak_db == pytest.approx(-20, abs=1e-4)
    assert level.rms_db == pytest.approx(-20, abs=1e-4)
    assert not level.is_clipping


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(10, np.float32)])
def test_silence_and_nothing_are_at_the_floor(samples):
    assert measure_level(samples) == measure_level(np.zeros(1, np.float32))
    assert measure_level(samples).peak_db == FLOOR_DB
