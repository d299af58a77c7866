import numpy as np
import pytest
import soundfile

from w2v_studio.audio.files import AudioFileError, read_audio
from w2v_studio.dictation.sources import TAIL_S, FileSource


def played(source):
    """All of a source whose clock is far ahead."""
    source.start()
    pieces = []
    while not source.is_finished:
        pieces.append(source.read())
    return np.concatenate(pieces)


def ahead():
    times = iter(range(0, 10_000, 1000))
    return lambda: next(times)


def test_a_file_is_heard_as_transcribe_reads_it(tmp_path):
    path = tmp_path / "offset.wav"
    speech = np.random.default_rng(0).normal(0, 0.05, (44100, 7))
    soundfile.write(path, speech + 0.3, 44100)
    source = FileSource(path, ahead())
    sound = played(source)
    expected = read_audio(path)
    assert source.rate_hz == 16000
    np.testing.assert_array_equal(sound[: len(expected)], expected)
    assert len(sound) == len(expected) + round(TAIL_S * 16000)
    assert source.warning == ""


def test_of_a_cut_file_what_is_there_is_heard_and_said(tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 64000), 16000)
    path.write_bytes(path.read_bytes()[:60_000])
    source = FileSource(path, ahead())
    assert 16000 < len(played(source)) < 64000
    assert str(path) in source.warning


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match="not numbers"):
        FileSource(path).start()
