"""Video files and containers, made by PyAV here and read back by the product."""

from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from w2v_studio.audio.files import AudioFile, AudioFileError, AudioFileWarning, read_audio

pytestmark = pytest.mark.filterwarnings("error")


def tone(rate_hz, seconds):
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(round(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def make(path, codec, *, seconds=2.0, rate=48000, layout="stereo", video=False, audio=True, form=None, start_s=0.0):
    with av.open(str(path), "w", format=form) as file:
        streams = []
        if video:
            picture = file.add_stream("mpeg4", rate=25)
            picture.width = picture.height = 32
            picture.pix_fmt = "yuv420p"
            streams.append(picture)
        if audio:
            track = file.add_stream(codec, rate=rate, layout=layout)
            track.bit_rate = 128_000
            streams.append(track)
        if video:
            for _ in range(round(25 * (seconds + start_s))):
                image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                file.mux(picture.encode(image))
        if audio and seconds:
            context = track.codec_context
            samples = np.stack([tone(rate, seconds)] * len(context.layout.channels))
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, round(start_s * rate), Fraction(1, rate)
            fit = av.AudioResampler(
                format=context.format.name, layout=layout, rate=rate, frame_size=context.frame_size or 1024
            )
            for piece in [*fit.resample(frame), *fit.resample(None)]:
                file.mux(track.encode(piece))
        file.start_encoding()
        for stream in streams if seconds else ():
            file.mux(stream.encode(None))


def strongest_hz(samples):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * 16000 / len(samples)


@pytest.mark.parametrize(
    ("name", "codec", "how"),
    [
        ("film.mp4", "aac", {"video": True}),
        ("film.mkv", "libopus", {"video": True}),
        ("film.avi", "mp3", {"video": True}),
        ("film.ts", "aac", {"video": True, "form": "mpegts"}),
        ("sound.webm", "libopus", {}),
        ("sound.m4a", "aac", {"rate": 44100}),
        ("sound.wma", "wmav2", {"rate": 44100}),
        ("sound.aac", "aac", {"form": "adts", "rate": 8000, "layout": "mono"}),
        ("surround.ac3", "ac3", {"layout": "5.1"}),
        ("sound.wv", "wavpack", {"rate": 96000}),
    ],
)
def test_video_and_other_containers_give_their_sound(tmp_path, name, codec, how):
    make(tmp_path / name, codec, **how)
    waveform = read_audio(tmp_path / name)
    assert waveform.dtype == np.float32
    assert len(waveform) / 16000 == pytest.approx(2.0, abs=0.2)
    assert strongest_hz(waveform) == pytest.approx(440, abs=2)
    assert np.abs(waveform[8000:24000]).max() == pytest.approx(0.4, abs=0.05)
    with AudioFile(tmp_path / name) as file:
        assert file.duration_s == pytest.approx(2.0, abs=0.2)


def test_the_samples_are_those_of_ffmpegs_decoder(tmp_path):
    path = tmp_path / "sound.m4a"
    make(path, "aac", rate=16000, layout="mono", seconds=3.0)
    with av.open(str(path)) as file:
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert np.array_equal(read_audio(path), decoded)


def test_sound_that_starts_late_keeps_its_time_in_the_video(tmp_path):
    path = tmp_path / "late.mkv"
    make(path, "pcm_s16le", rate=16000, layout="mono", video=True, start_s=1.5)
    waveform = read_audio(path)
    assert np.abs(waveform[: round(1.49 * 16000)]).max() == 0
    assert waveform[24000:] == pytest.approx(tone(16000, 2.0), abs=2e-3)


@pytest.mark.parametrize(
    ("name", "how", "reason"),
    [
        ("mute.mp4", {"video": True, "audio": False}, "has no sound track"),
        ("nothing.mkv", {"seconds": 0}, "holds no audio|cannot be read"),
    ],
)
def test_video_without_sound_says_so(tmp_path, name, how, reason):
    make(tmp_path / name, "pcm_s16le", **how)
    with pytest.raises(AudioFileError, match=reason) as caught:
        read_audio(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_cut_mp4_is_an_error_as_its_index_is_missing(tmp_path, share):
    make(tmp_path / "whole.mp4", "aac", video=True)
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: round(share * len(content))])
    with pytest.raises(AudioFileError, match=r"cut\.mp4 cannot be read as audio"):
        read_audio(tmp_path / "cut.mp4")


def test_of_a_cut_webm_what_is_there_is_used_with_a_warning(tmp_path):
    make(tmp_path / "whole.webm", "libopus", seconds=20.0)
    content = (tmp_path / "whole.webm").read_bytes()
    (tmp_path / "cut.webm").write_bytes(content[: len(content) // 2])
    with pytest.warns(AudioFileWarning, match=r"cut\.webm is (cut|damaged)"):
        waveform = read_audio(tmp_path / "cut.webm")
    assert 8 < len(waveform) / 16000 < 12


def test_damage_in_the_middle_costs_only_itself(tmp_path):
    make(tmp_path / "good.mp4", "aac", seconds=10.0)
    content = bytearray((tmp_path / "good.mp4").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(np.random.default_rng(0).integers(0, 256, 400, np.uint8))
    (tmp_path / "bad.mp4").write_bytes(content)
    warned = []
    waveform = read_audio(tmp_path / "bad.mp4", warned.append)
    assert len(waveform) / 16000 == pytest.approx(10, abs=0.2)
    assert strongest_hz(waveform[-32000:]) == pytest.approx(440, abs=2)


def test_random_bytes_under_every_ending_are_an_error(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, 20_000, np.uint8).tobytes()
    for ending in ("wav", "mp3", "mp4", "mkv", "aac", "ogg", "flac", "ts", "avi"):
        path = tmp_path / f"noise.{ending}"
        path.write_bytes(noise)
        with pytest.raises(AudioFileError, match=path.name):
            read_audio(path)


def test_a_playlist_opens_no_other_file(tmp_path):
    soundfile.write(tmp_path / "secret.wav", tone(16000, 1.0), 16000)
    for name, content in (
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile secret.wav\n"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(AudioFileError, match="cannot be read as audio"):
            read_audio(tmp_path / name)
