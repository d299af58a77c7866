import numpy as np
import pytest

from w2v_studio.audio.devices import AudioUnavailable
from w2v_studio.inspection import playback
from w2v_studio.inspection.playback import Player, program_of

WAVEFORM = np.random.default_rng(0).normal(size=32000).astype(np.float32)


def test_pieces_gaps_and_places():
    program = program_of(WAVEFORM, [(8000, 16000), (20000, 24000)])
    assert program.pieces == ((0, 8000, 8000), (12000, 20000, 4000))  # 250 ms between them
    assert len(program.samples) == 16000
    assert np.allclose(program.samples[100:7900], WAVEFORM[8100:15900])
    assert not program.samples[8000:12000].any()
    assert program.samples[0] == 0  # faded in
    assert program.clip_time_s(0.0) == 0.5
    assert program.clip_time_s(0.25) == 0.75
    assert program.clip_time_s(0.6) is None  # in the gap
    assert program.clip_time_s(0.75) == 1.25
    assert program.clip_time_s(1.0) is None


def test_a_frame_is_widened_to_be_heard():
    program = program_of(WAVEFORM, [(10000, 10400), (0, 400), (31800, 32000)])
    sizes = [size for _, _, size in program.pieces]
    assert sizes[0] == 2560  # 160 ms
    assert [there for _, there, _ in program.pieces] == [8920, 0, 30620]
    assert sizes[1] == 1480  # nothing before the beginning
    assert sizes[2] == 1380  # nor after the end


def test_nothing_to_play():
    assert program_of(WAVEFORM, []).pieces == ()
    assert program_of(WAVEFORM, [(500, 500)]).pieces == ()


class FakeSoundDevice:
    """PortAudio as the player sees it: the test calls the callback."""

    def __init__(self, rate: float = 48000.0, error: Exception | None = None) -> None:
        self.rate, self.error, self.streams = rate, error, []

    def query_devices(self, kind: str) -> dict:
        if self.error:
            raise self.error
        return {"default_samplerate": self.rate}

    def OutputStream(self, **settings):
        stream = FakeStream(settings)
        self.streams.append(stream)
        return stream


class FakeStream:
    latency = 0.01

    def __init__(self, settings):
        self.settings, self.is_open = settings, True

    def start(self):
        pass

    def abort(self):
        pass

    def close(self):
        self.is_open = False

    def take(self, frames: int) -> np.ndarray:
        out = np.full((frames, 1), 9.0, dtype=np.float32)
        self.settings["callback"](out, frames, None, None)
        return out[:, 0]


@pytest.fixture
def device(monkeypatch):
    device = FakeSoundDevice()
    monkeypatch.setattr(playback, "portaudio", lambda: device)
    return device


def test_plays_at_the_devices_rate_to_the_end(device):
    player = Player()
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    player.play(program_of(tone, [(0, 16000)]), player.next_order())
    (stream,) = device.streams
    assert stream.settings["samplerate"] == 48000
    heard = np.concatenate([stream.take(4800) for _ in range(10)])
    expected = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    assert np.abs(heard[1000:-1000] - expected[1000:-1000]).max() < 1e-2
    assert player.is_playing  # the device still holds the last 10 ms
    assert not stream.take(4800).any()
    assert not player.is_playing
    assert not stream.is_open
    assert player.position_s is None


def test_the_position_is_what_is_heard(device, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(playback.time, "monotonic", lambda: now[0])
    player = Player()
    player.play(program_of(WAVEFORM, [(8000, 24000)]), player.next_order())
    device.streams[0].take(480)
    now[0] += 0.005
    assert player.position_s == pytest.approx(0.5)  # 5 ms asked for, 10 ms of latency: not yet heard
    device.streams[0].take(9600)
    now[0] += 0.1
    assert player.position_s == pytest.approx(0.5 + 0.01 + 0.1 - 0.01, abs=1e-3)


def test_a_newer_order_wins(device):
    player = Player()
    old = player.next_order()
    new = player.next_order()
    program = program_of(WAVEFORM, [(0, 8000)])
    player.play(program, old)
    assert device.streams == []
    assert player.is_playing  # the new one is about to
    player.play(program, new)
    assert len(device.streams) == 1
    player.stop()
    assert not player.is_playing
    assert not device.streams[0].is_open


def test_no_output_says_so(device):
    device.error = RuntimeError("Error querying device -1")
    player = Player()
    with pytest.raises(AudioUnavailable, match="no sound output: connect"):
        player.play(program_of(WAVEFORM, [(0, 8000)]), player.next_order())
