import pytest

from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.pace import Pace


def test_the_hop_grows_first_then_the_window_shrinks_and_both_come_back():
    pace = Pace(LiveSettings())
    pace.decoded(0.1, seen_s=8)
    assert (pace.hop_s, pace.window_s) == (0.32, 8)
    pace.decoded(0.4, seen_s=8)
    assert (pace.hop_s, pace.window_s) == (pytest.approx(0.6), 8)
    pace.decoded(1.0, seen_s=8)
    assert (pace.hop_s, pace.window_s) == (0.96, 4)
    pace.decoded(1.0, seen_s=4)
    assert pace.window_s == 2
    pace.decoded(1.0, seen_s=2)
    assert pace.window_s == 2
    pace.decoded(0.3, seen_s=2)  # 4 s would take 0.6 s: too near to the limit
    assert pace.window_s == 2
    for seen_s in (2, 4, 8):
        pace.decoded(0.02 * seen_s, seen_s)
    assert (pace.hop_s, pace.window_s) == (0.32, 8)


def test_behind_is_what_computing_exceeds_the_sound_by():
    pace = Pace(LiveSettings())
    assert pace.heard(1.0, 0.5) is None
    assert pace.heard(1.0, 2.5) is None
    assert pace.behind_s == pytest.approx(1.5)
    told = pace.heard(1.0, 1.6)
    assert told is not None
    assert told.is_slow
    assert told.behind_s == pytest.approx(2.1)
    assert told.load > 1
    assert pace.heard(1.0, 0.0) is None
    assert pace.heard(1.0, 0.0, in_speech=True) is None
    told = pace.heard(1.0, 0.0)
    assert told is not None
    assert not told.is_slow
    assert told.reason == ""
    pace.heard(9.0, 0.0)
    assert pace.behind_s == 0


def test_a_new_stream_has_no_backlog_but_knows_the_machine():
    pace = Pace(LiveSettings())
    pace.decoded(0.5, seen_s=8)
    pace.heard(0.1, 9.0)
    pace.reset()
    assert (pace.behind_s, pace.is_slow, pace.load) == (0, False, 0)
    assert pace.hop_s == pytest.approx(0.75)


def test_a_steady_pace_ignores_the_clock():
    pace = Pace(LiveSettings(adaptive_hop=False))
    pace.decoded(9.0, seen_s=8)
    assert pace.heard(0.1, 9.0) is None
    assert (pace.hop_s, pace.window_s, pace.fits(0)) == (0.32, 8, True)
