import numpy as np
import pytest

from engine.text.error_rate import error_rates
from w2v_studio.assets import resources_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.evaluation.clips import read_clips
from w2v_studio.evaluation.replay import Player, as_played
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_features import CachedFeatures, FrozenScaleFeatures
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.quiet_speech import LEAST_LEVEL, gain, level, raised
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe
from w2v_studio.recognition.updates import FinalUpdate
from w2v_studio.recognition.voice_activity import VoiceActivity


@pytest.fixture(scope="module")
def digits():
    """The bundled model: random weights know no speech."""
    return Recognizer(default_bundle(), "cpu", threads=1)


def hum(amplitude, samples=16000):
    return (amplitude * np.sin(np.arange(samples) * 2 * np.pi * 200 / 16000)).astype(np.float32)


def test_the_level_is_that_of_the_loud_parts():
    assert level(hum(0.1)) == pytest.approx(0.1 / np.sqrt(2), rel=1e-3)
    among_silence = np.concatenate([np.zeros(64000, np.float32), hum(0.1), np.zeros(64000, np.float32)])
    assert level(among_silence) == pytest.approx(level(hum(0.1)), rel=1e-3)
    assert level(hum(0.1) + np.float32(0.3)) == pytest.approx(level(hum(0.1)), rel=1e-3)
    assert level(np.zeros(1000, np.float32)) == level(np.zeros(0, np.float32)) == 0


def test_only_quiet_sound_is_raised_and_not_beyond_twice_the_level():
    for amplitude in (1.0, 0.1, 0.03):
        sound = hum(amplitude)
        assert raised(sound) is sound
    for amplitude in (0.025, 0.01, 0.001, 0.0002):
        assert LEAST_LEVEL <= level(raised(hum(amplitude))) < 2 * LEAST_LEVEL
        assert np.log2(gain(hum(amplitude))).is_integer()
    silence = np.zeros(1600, np.float32)
    assert raised(silence) is silence
    assert gain(hum(1e-7)) == 256
    assert abs(raised(hum(0.001) + np.float32(0.002)).mean()) < 1e-4


@pytest.mark.parametrize("kind", [CachedFeatures, FrozenScaleFeatures])
def test_live_latents_of_a_quiet_segment_are_those_of_the_raised_samples(recognizer, kind):
    """What the graph makes of the segment's samples, raised by hand."""
    rng = np.random.default_rng(1)
    waveform = (0.3 * rng.normal(0, 0.01, 64_000)).astype(np.float32)
    waveform[: 320 * 40] *= 0.01
    features = kind(recognizer)
    for start in range(0, len(waveform), 2560):
        features.push(waveform[start : start + 2560])
        features.advance()
    first, last = 50, 190
    features.begin(first)
    seen = waveform[320 * first : 320 * last + 80]
    by_hand = recognizer.features((seen - seen.mean()) * np.float32(8)).latents
    assert np.abs(features.exact_latents(first, last) - by_hand).max() < 1e-5
    if kind is CachedFeatures:
        for hop in (100, 130, last):  # kept from hop to hop; the mean is that of the first
            found = features.latents(first, hop)
            assert found.shape == (hop - first, by_hand.shape[1])
        assert np.abs(found - by_hand).max() < 1e-2


def test_quiet_digits_are_read_like_loud_ones(digits):
    """Whole from 40 dB below, live from 20 dB below, where voice activity still hears most of them."""
    manifest = resources_folder() / "datasets" / "digits-mini" / "valid.tsv"
    clips = read_clips(manifest, r"_0\.flac$").clips[::2]
    assert len(clips) == 20
    waveforms = [read_audio(clip.path) for clip in clips]
    player = Player(digits, compute_aware=False)

    def whole(sound):
        return transcribe(digits, sound).text

    def live(sound):
        return player.play(as_played(sound)).text

    def error_rate(text_of, factor):
        texts = [text_of(waveform * np.float32(factor)) for waveform in waveforms]
        return error_rates([(clip.reference, text) for clip, text in zip(clips, texts, strict=True)]).wer

    assert error_rate(whole, 0.01) <= error_rate(whole, 1) + 0.1
    assert error_rate(live, 0.1) <= error_rate(live, 1) + 0.1


@pytest.mark.parametrize("amplitude", [0.1, 0.01, 0.001])
def test_noise_gives_no_words(digits, amplitude):
    rng = np.random.default_rng(2)
    spectrum = np.fft.rfft(rng.normal(size=64_000)) / np.sqrt(np.arange(32_001) + 1)
    pink = np.fft.irfft(spectrum, 64_000)
    for noise in (rng.normal(size=64_000), pink / pink.std()):
        sound = (amplitude * noise).astype(np.float32)
        assert transcribe(digits, sound).text == ""
        assert Player(digits, compute_aware=False).play(sound).text == ""


def finals(live, sound, chunk):
    updates = [update for start in range(0, len(sound), chunk) for update in live.feed(sound[start : start + chunk])]
    return [update for update in updates + live.flush() if isinstance(update, FinalUpdate)]


@pytest.mark.parametrize("chunk", [319, 16_000])
def test_quiet_and_offset_streams_do_not_depend_on_chunks(digits, digits_waveform, chunk):
    live = LiveRecognizer(digits, VoiceActivity(), LiveSettings(adaptive_hop=False))
    plain = finals(live, digits_waveform, 512)
    for sound in (digits_waveform * np.float32(0.01), digits_waveform + np.float32(0.3)):
        assert finals(live, sound, chunk) == finals(live, sound, 512)
    offset = finals(live, digits_waveform + np.float32(0.3), 512)
    assert [final.text for final in offset] == [final.text for final in plain]
