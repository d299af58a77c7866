import numpy as np
import pytest
import soundfile

from w2v_studio.audio.files import AudioFileError, read_audio


def tone(rate_hz: int, seconds: float = 1.0, hz: float = 440.0):
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)


def strongest_hz(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * 16000 / len(samples)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize(
    ("ending", "subtype"), [("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", None), ("ogg", "VORBIS"), ("mp3", None)]
)
def test_every_rate_and_format_comes_out_at_16_khz(tmp_path, rate_hz, ending, subtype):
    path = tmp_path / f"tone.{ending}"
    soundfile.write(path, tone(rate_hz), rate_hz, subtype=subtype)
    waveform = read_audio(path)
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert len(waveform) == pytest.approx(16000, abs=1500 if ending == "mp3" else 1)
    assert strongest_hz(waveform) == pytest.approx(440, abs=2)
    assert np.abs(waveform[4000:12000]).max() == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_opus_too(tmp_path, rate_hz):
    path = tmp_path / "tone.opus"
    soundfile.write(path, tone(rate_hz), rate_hz, format="OGG", subtype="OPUS")
    assert strongest_hz(read_audio(path)) == pytest.approx(440, abs=2)


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([np.full(1000, 0.5), np.full(1000, -0.1)], axis=1), 16000, subtype="FLOAT")
    assert read_audio(path) == pytest.approx(np.full(1000, 0.2), abs=1e-6)


def test_long_files_have_no_seams_where_blocks_meet(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(48000, seconds=8), 48000, subtype="FLOAT")
    waveform = read_audio(path)
    assert np.abs(waveform - tone(16000, seconds=8))[200:-200].max() < 2e-3


def test_a_truncated_wav_gives_what_is_there(tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(16000), 16000)
    path.write_bytes(path.read_bytes()[:10_044])
    assert read_audio(path) == pytest.approx(tone(16000)[:5000], abs=1e-4)


def broken_files(folder):
    (folder / "text.wav").write_text("this is no sound\n" * 50)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "no-samples.wav", np.zeros(0), 16000)
    soundfile.write(folder / "nan.wav", np.full(1000, np.nan, np.float32), 16000, subtype="FLOAT")
    soundfile.write(folder / "header.flac", tone(16000), 16000)
    (folder / "header.flac").write_bytes((folder / "header.flac").read_bytes()[:20])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text.wav", "cannot be read as audio"),
        ("empty.wav", "is empty"),
        ("folder.wav", "is a folder"),
        ("no-samples.wav", "holds no audio"),
        ("nan.wav", "not numbers"),
        ("header.flac", "cannot be read as audio"),
        ("absent.wav", "there is no file"),
    ],
)
def test_what_gives_no_audio_says_so_in_one_line_with_the_name(tmp_path, name, reason):
    broken_files(tmp_path)
    with pytest.raises(AudioFileError) as caught:
        read_audio(tmp_path / name)
    message = str(caught.value)
    assert reason in message
    assert name in message
    assert "\n" not in message


def test_a_truncated_flac_is_an_error_and_not_a_crash_or_half_a_text(tmp_path):
    path = tmp_path / "cut.flac"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 320_000)
    soundfile.write(path, noise, 16000)
    path.write_bytes(path.read_bytes()[:400_000])
    with pytest.raises(AudioFileError, match=r"cut\.flac breaks off after 12\.3 s"):
        read_audio(path)
