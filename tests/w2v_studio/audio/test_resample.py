import numpy as np
import pytest

from w2v_studio.audio.resample import StreamResampler


def tone(rate_hz: int, seconds: float, hz: float = 1000.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def whole(rate_hz: float, samples):
    resampler = StreamResampler(rate_hz)
    return np.concatenate((resampler.feed(samples), resampler.flush()))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 32000, 44100, 48000, 96000])
def test_a_tone_keeps_frequency_level_and_length(rate_hz):
    result = whole(rate_hz, tone(rate_hz, 1.0))
    assert abs(len(result) - 16000) <= 1
    inner = result[1000:15000]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner)), 1 << 18))
    assert spectrum.argmax() * 16000 / (1 << 18) == pytest.approx(1000, abs=0.5)
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    expected = tone(16000, 1.0)[1000:15000]
    assert np.abs(inner - expected).max() < 2e-3  # in phase: the filter's delay is taken out


def test_what_16_khz_cannot_hold_is_gone_and_not_folded_back():
    assert np.abs(whole(48000, tone(48000, 1.0, hz=10_000))[1000:-1000]).max() < 1e-3


@pytest.mark.parametrize("rate_hz", [44100, 48000])
@pytest.mark.parametrize("chunk", [1, 100, 441, 4096])
def test_chunks_give_what_the_whole_gives(rate_hz, chunk):
    samples = np.random.default_rng(chunk).uniform(-1, 1, 20_000).astype(np.float32)
    resampler = StreamResampler(rate_hz)
    pieces = [resampler.feed(samples[start : start + chunk]) for start in range(0, len(samples), chunk)]
    result = np.concatenate([*pieces, resampler.flush()])
    assert np.abs(result - whole(rate_hz, samples)).max() < 1e-6


def test_after_flush_a_new_stream_begins():
    samples = tone(48000, 0.2)
    resampler = StreamResampler(48000)
    first = np.concatenate((resampler.feed(samples), resampler.flush()))
    second = np.concatenate((resampler.feed(samples), resampler.flush()))
    assert np.array_equal(first, second)
