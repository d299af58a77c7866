import numpy as np
import pytest

from w2v_studio.recognition.voice_activity import VoiceActivity


def probabilities(voice_activity, waveform):
    return np.array(
        [
            voice_activity.probability(waveform[start : start + 512].astype(np.float32))
            for start in range(0, len(waveform) - 511, 512)
        ]
    )


@pytest.fixture(scope="module")
def voice_activity():
    return VoiceActivity()


def test_speech_is_told_from_silence_noise_and_tones(voice_activity, digits_waveform):
    rng = np.random.default_rng(0)
    others = {
        "silence": np.zeros(32000),
        "hiss": rng.normal(0, 0.003, 32000),
        "tone": 0.3 * np.sin(np.arange(32000) * 2 * np.pi * 440 / 16000),
    }
    for name, sound in others.items():
        voice_activity.reset()
        assert probabilities(voice_activity, sound).mean() < 0.2, name
    voice_activity.reset()
    speech = probabilities(voice_activity, digits_waveform)
    assert (speech > 0.5).sum() > 40
    assert speech.max() > 0.95


def test_the_state_runs_on_until_reset(voice_activity, digits_waveform):
    voice_activity.reset()
    first = probabilities(voice_activity, digits_waveform[:20_000])
    later = probabilities(voice_activity, digits_waveform[:20_000])
    voice_activity.reset()
    again = probabilities(voice_activity, digits_waveform[:20_000])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_only_whole_blocks_are_taken(voice_activity):
    with pytest.raises(ValueError, match="512 samples, not 511"):
        voice_activity.probability(np.zeros(511, np.float32))


def test_a_missing_model_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="install w2v studio again"):
        VoiceActivity(tmp_path / "absent.onnx")
