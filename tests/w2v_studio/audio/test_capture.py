"""Capture logic with a stream that this test drives; tests/desktop and test_virtual_microphone use real sound."""

import numpy as np
import pytest

from w2v_studio.audio.capture import STALL_S, MicrophoneCapture
from w2v_studio.audio.devices import AudioUnavailable, InputDevice


def device(**changes):
    values = {"index": 3, "name": "Desk", "host_api": "ALSA", "channels": 1, "default_rate_hz": 48000.0}
    return InputDevice(**{**values, "is_default": True, **changes})


class DrivenStream:
    """Stands where PortAudio's stream stands: the test calls its callback."""

    def __init__(self, **arguments):
        self.arguments = arguments
        self.callback = arguments["callback"]
        self.active = False
        self.is_closed = False

    def start(self):
        self.active = True

    def close(self):
        self.is_closed = True

    def deliver(self, rows, status=None):
        self.callback(np.asarray(rows, np.float32), len(rows), None, status)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def open_capture(**changes):
    opened = []

    def open_stream(**arguments):
        opened.append(DrivenStream(**arguments))
        return opened[-1]

    clock = Clock()
    buffer_s = changes.pop("buffer_s", 30.0)
    capture = MicrophoneCapture(device(**changes), buffer_s=buffer_s, open_stream=open_stream, clock=clock)
    capture.start()
    return capture, opened[0], clock


def test_the_device_is_opened_at_its_own_rate():
    _, stream, _ = open_capture(default_rate_hz=44100.0)
    assert stream.arguments["samplerate"] == 44100
    assert stream.arguments["device"] == 3
    assert stream.arguments["dtype"] == "float32"


@pytest.mark.parametrize(("offered", "opened"), [(1, 1), (2, 2), (32, 2)])
def test_at_most_two_channels_are_opened(offered, opened):
    assert open_capture(channels=offered)[1].arguments["channels"] == opened


def test_what_came_in_is_read_once_and_in_order():
    capture, stream, _ = open_capture()
    stream.deliver([[0.1], [0.2]])
    stream.deliver([[0.3]])
    assert capture.read() == pytest.approx([0.1, 0.2, 0.3])
    assert len(capture.read()) == 0


def test_two_channels_are_averaged():
    capture, stream, _ = open_capture(channels=2)
    stream.deliver([[0.5, 0.1], [-1.0, 1.0]])
    assert capture.read() == pytest.approx([0.3, 0.0])


def test_a_late_reader_loses_nothing():
    capture, stream, _ = open_capture(buffer_s=100 / 48000)
    sound = np.arange(100_000, dtype=np.float32)
    for start in range(0, len(sound), 480):
        stream.deliver(sound[start : start + 480, None])
    assert np.array_equal(capture.read(), sound)
    assert capture.overruns == 0


def test_lost_sound_is_counted(monkeypatch):
    monkeypatch.setattr("w2v_studio.audio.capture.MOST_WAITING_S", 0.0)
    capture, stream, _ = open_capture(buffer_s=100 / 48000)
    stream.deliver(np.zeros((90, 1)), status="input overflow")
    stream.deliver(np.zeros((15, 1)))
    assert capture.overruns == 1 + 5


def test_an_unplugged_device_is_told_after_its_last_sound():
    capture, stream, _ = open_capture()
    stream.deliver([[0.1]])
    stream.active = False
    assert len(capture.read()) == 1
    with pytest.raises(AudioUnavailable, match=r"'Desk' stopped.*plug it in again"):
        capture.read()


def test_a_device_that_falls_silent_on_the_bus_is_told_after_two_seconds():
    capture, stream, clock = open_capture()
    stream.deliver([[0.0]])
    capture.read()
    clock.now += STALL_S - 0.1
    assert len(capture.read()) == 0
    clock.now += 0.2
    with pytest.raises(AudioUnavailable, match="gave no sound for 2 s"):
        capture.read()


def test_after_stop_the_rest_can_be_read_and_nothing_is_wrong():
    capture, stream, clock = open_capture()
    stream.deliver([[0.1]])
    capture.stop()
    assert stream.is_closed
    clock.now += 60
    assert len(capture.read()) == 1
    assert len(capture.read()) == 0
    assert not capture.is_running


def test_a_device_that_cannot_be_opened_is_one_sentence_with_its_name():
    def open_stream(**_):
        raise ValueError("Invalid sample rate")

    capture = MicrophoneCapture(device(), open_stream=open_stream)
    with pytest.raises(AudioUnavailable, match=r"'Desk' cannot be opened \(Invalid sample rate\)"):
        capture.start()
    assert not capture.is_running
