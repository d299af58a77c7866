import os

import numpy as np
import pytest
import soundfile

from w2v_studio.audio.files import AudioFile, AudioFileError, AudioFileWarning, read_audio

pytestmark = pytest.mark.filterwarnings("error")


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
    soundfile.write(path, np.stack([tone(16000), -0.5 * tone(16000)], axis=1), 16000, subtype="FLOAT")
    assert read_audio(path) == pytest.approx(0.25 * tone(16000), abs=1e-6)


def test_seven_channels_at_96_khz(tmp_path):
    path = tmp_path / "seven.wav"
    channels = [level * tone(96000) for level in (1, 0.5, 0, 0.2, -0.3, 0.7, 0)]
    soundfile.write(path, np.stack(channels, axis=1), 96000, subtype="FLOAT")
    waveform = read_audio(path)
    assert waveform[200:-200] == pytest.approx(0.3 * tone(16000)[200:-200], abs=2e-3)


@pytest.mark.parametrize("offset", [0.02, -0.3])
def test_a_constant_offset_is_taken_out(tmp_path, offset):
    path = tmp_path / "offset.wav"
    soundfile.write(path, tone(16000, seconds=9.0) + offset, 16000, subtype="FLOAT")
    assert read_audio(path) == pytest.approx(tone(16000, seconds=9.0), abs=1e-3)


def test_silent_and_clipped_files_are_read_as_they_are(tmp_path):
    path = tmp_path / "sound.wav"
    for waveform in (np.zeros(16000), np.clip(20 * tone(16000), -1, 1)):
        soundfile.write(path, waveform, 16000, subtype="FLOAT")
        assert read_audio(path) == pytest.approx(waveform, abs=1e-6)


def test_long_files_have_no_seams_where_blocks_meet(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(48000, seconds=8), 48000, subtype="FLOAT")
    waveform = read_audio(path)
    assert np.abs(waveform - tone(16000, seconds=8))[200:-200].max() < 2e-3


def test_a_truncated_wav_gives_what_is_there(tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(16000), 16000)
    path.write_bytes(path.read_bytes()[:10_044])
    with pytest.warns(AudioFileWarning, match=r"cut\.wav is cut: 0\.3 s of 1\.0 s are there"):
        waveform = read_audio(path)
    assert waveform == pytest.approx(tone(16000)[:5000], abs=1e-4)


@pytest.mark.parametrize("promised", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_wav_from_a_pipe_promises_no_length_and_is_whole(tmp_path, promised):
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(16000), 16000)
    written = bytearray(path.read_bytes())
    at = written.index(b"data") + 4
    written[at : at + 4] = promised.to_bytes(4, "little")
    path.write_bytes(written)
    warned = []
    if promised:
        assert read_audio(path, warned.append) == pytest.approx(tone(16000), abs=1e-4)
    else:
        with pytest.raises(AudioFileError, match="no audio"):
            read_audio(path, warned.append)
    assert warned == []


def broken_files(folder):
    (folder / "text.wav").write_text("this is no sound\n" * 50)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "no-samples.wav", np.zeros(0), 16000)
    soundfile.write(folder / "nan.wav", np.full(1000, np.nan, np.float32), 16000, subtype="FLOAT")
    late = np.append(np.zeros(200_000), np.inf).astype(np.float32)
    soundfile.write(folder / "inf.wav", late, 16000, subtype="FLOAT")
    soundfile.write(folder / "integers.wav", 32768 * tone(16000), 16000, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", tone(16000), 1)
    os.mkfifo(folder / "pipe.wav")
    (folder / "device.wav").symlink_to("/dev/zero")
    (folder / "lost.wav").symlink_to(folder / "moved.wav")
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nnan.wav\n#EXT-X-ENDLIST\n")
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
        ("inf.wav", "not numbers"),
        ("integers.wav", "where full scale is 1"),
        ("slow.wav", "claims 1 samples a second"),
        ("pipe.wav", "is a pipe or a device"),
        ("device.wav", "is a pipe or a device"),
        ("lost.wav", "there is no file"),
        ("list.m3u8", "cannot be read as audio"),
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


def test_a_file_that_nobody_lets_us_read_says_so(tmp_path):
    path = tmp_path / "private.wav"
    soundfile.write(path, tone(16000), 16000)
    path.chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # root may read all
    try:
        with pytest.raises(AudioFileError, match=r"private\.wav may not be read; change its permissions"):
            read_audio(path)
    finally:
        os.seteuid(before)


@pytest.mark.parametrize(
    ("ending", "subtype", "most_lost_s"),
    [("flac", None, 0.3), ("ogg", "VORBIS", 1.0), ("ogg", "OPUS", 1.5), ("mp3", None, 0.3)],
)
def test_of_a_cut_file_what_is_there_is_used_with_a_warning(tmp_path, ending, subtype, most_lost_s):
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    soundfile.write(whole, np.random.default_rng(0).uniform(-0.5, 0.5, 320_000), 16000, subtype=subtype)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with pytest.warns(AudioFileWarning, match=rf"cut\.{ending} is .*cut"):
        waveform = read_audio(cut)
    expected = read_audio(whole)  # without a warning: those are errors here
    assert 12.0 - most_lost_s <= len(waveform) / 16000 <= 12.1
    sure = len(waveform) - 2000
    assert np.abs(waveform[:sure] - expected[:sure]).max() < 1e-3


@pytest.mark.parametrize(("written_as", "named"), [("mp3", "wav"), ("flac", "mp3"), ("ogg", "flac"), ("wav", "txt")])
def test_a_wrong_ending_does_not_matter(tmp_path, written_as, named):
    path = tmp_path / f"tone.{named}"
    soundfile.write(path, tone(16000), 16000, format=written_as.upper())
    assert strongest_hz(read_audio(path)) == pytest.approx(440, abs=2)


def test_blocks_are_the_whole_and_the_length_is_known_before(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, tone(44100, seconds=20), 44100)
    with AudioFile(path) as file:
        assert file.duration_s == pytest.approx(20)
        blocks = list(file.blocks())
    assert max(map(len, blocks)) < 40_000
    assert np.array_equal(np.concatenate(blocks), read_audio(path))
