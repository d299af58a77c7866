from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.data.audio import AudioCache, read_audio, to_float
from engine.data.manifest import DataError


def test_stereo_at_8_khz_becomes_mono_at_16_khz(tmp_path: Path) -> None:
    left = 0.4 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    soundfile.write(tmp_path / "a.wav", np.stack((left, 0 * left), axis=1), 8000)
    samples = to_float(read_audio(tmp_path / "a.wav"))
    wanted = 0.2 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert len(samples) == 16000
    assert np.abs(samples - wanted)[500:-500].max() < 1e-3


def test_samples_of_a_16_bit_file_stay_as_they_are(tmp_path: Path) -> None:
    samples = np.array([0, 1, -1, 32767, -32768, 1234], dtype=np.int16)
    soundfile.write(tmp_path / "a.flac", samples, 16000)
    assert read_audio(tmp_path / "a.flac").tolist() == samples.tolist()


def test_not_audio_and_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound in here")
    with pytest.raises(DataError, match=r"a\.wav as audio .*convert"):
        read_audio(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"no file .*b\.wav"):
        read_audio(tmp_path / "b.wav")


def test_cache_keeps_clips_within_its_bound(tmp_path: Path) -> None:
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(1000, dtype=np.int16), 16000)
    cache = AudioCache(limit_bytes=2500)
    first, second = (cache.read(tmp_path / f"{name}.wav") for name in "ab")
    (tmp_path / "a.wav").unlink()
    (tmp_path / "b.wav").unlink()
    assert cache.read(tmp_path / "a.wav") is first
    assert len(second) == 1000
    with pytest.raises(DataError):
        cache.read(tmp_path / "b.wav")  # 4000 bytes would have been too many
