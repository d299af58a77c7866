import json

import pytest

from w2v_studio.__main__ import main
from w2v_studio.recognition import machine_speed
from w2v_studio.recognition.machine_speed import LiveSpeed, WindowSpeed, advise


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(machine_speed, "RUN_BUDGET_S", 0.0)
    monkeypatch.setattr(machine_speed, "LEAST_RUNS", 1)
    monkeypatch.setattr("w2v_studio.commands.benching.SPEECH", ("digits-jackson.flac",))


def test_json_has_every_window_and_the_live_load(quick, small_bundle, capsys):
    assert (
        main(["bench", "--bundle", str(small_bundle), "--provider", "cpu", "--threads", "1", "--format", "json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [speed["window_s"] for speed in found["windows"]] == [2, 4, 8, 16, 20]
    for speed in found["windows"]:
        assert speed["per_audio_s"] == pytest.approx((speed["features_s"] + speed["context_s"]) / speed["window_s"])
        assert 0 < speed["least_s"] <= speed["most_s"]
    (live,) = found["live"]
    assert live["sound_s"] == pytest.approx(6.9, abs=0.1)
    assert 0 < live["voice_activity"] < 1
    assert 0 < live["silence_cpu"] < 1
    assert live["load"] > 0
    assert found["provider"] == "CPU"
    assert found["advice"]["threads"] == 1


def test_the_table_says_what_suits_the_machine(quick, small_bundle, capsys):
    assert main(["bench", "--bundle", str(small_bundle), "--provider", "cpu", "--threads", "1"]) == 0
    text = capsys.readouterr().out
    assert "for 1 s of sound" in text
    assert "live load" in text
    assert "window of" in text or "too slow" in text


def speeds(threads, context_per_s):
    return [WindowSpeed(threads, s, 0.01, context_per_s * s, 0, 1, 3) for s in machine_speed.WINDOWS_S]


def live(threads, load):
    return LiveSpeed(threads, load, 0.01, 0.005, 0.1, 0.1, 60)


@pytest.mark.parametrize(
    ("context_per_s", "load", "window_s", "hop_ms", "is_fast"),
    [(0.01, 0.1, 8, 320, True), (0.05, 0.5, 8, 640, True), (0.2, 0.9, 2, 640, True), (0.5, 3.0, 2, 960, False)],
)
def test_advice_is_the_longest_window_that_a_hop_below_a_second_allows(context_per_s, load, window_s, hop_ms, is_fast):
    windows = speeds(1, 2 * context_per_s) + speeds(2, context_per_s)
    advice = advise(windows, [live(1, 2 * load), live(2, load)])
    assert (advice.threads, advice.window_s, advice.hop_ms, advice.is_fast_enough) == (2, window_s, hop_ms, is_fast)
