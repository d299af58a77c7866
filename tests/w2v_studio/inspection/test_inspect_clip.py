from itertools import pairwise

import numpy as np
import pytest

from w2v_studio.inspection.clip import ClipError, divide, make_clip


def test_a_minute_is_one_page():
    for samples in (400, 16000, 960000):
        (page,) = divide(np.zeros(samples, dtype=np.float32))
        assert (page.start, page.end, page.first_frame) == (0, samples, 0)


def test_pages_join_on_frames_and_cut_in_the_pause():
    rng = np.random.default_rng(0)
    waveform = (rng.normal(size=16000 * 150) * 0.1).astype(np.float32)
    for pause_s in (57.5, 113.0):  # half a second of silence each
        waveform[round(pause_s * 16000) : round((pause_s + 0.5) * 16000)] = 0
    pages = divide(waveform)
    assert pages[0].start == 0
    assert pages[-1].end == len(waveform)
    for before, after in pairwise(pages):
        assert before.end == after.start
        assert after.start % 320 == 0
        assert after.first_frame * 0.02 == pytest.approx(after.start_s)
    assert all(page.end_s - page.start_s <= 60 for page in pages)
    assert 57.5 < pages[1].start_s < 58.0
    assert 113.0 < pages[2].start_s < 113.5


def test_too_short_says_so(tmp_path):
    with pytest.raises(ClipError, match=r"click\.wav has 25 ms.*longer recording"):
        make_clip(tmp_path / "click.wav", np.zeros(399, dtype=np.float32))
    assert make_clip(tmp_path / "frame.wav", np.zeros(400, dtype=np.float32)).duration_s == 0.025
