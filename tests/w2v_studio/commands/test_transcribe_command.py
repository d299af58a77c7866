"""`w2v-studio transcribe` with many files, into files and folders, interrupted and with bad input."""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from w2v_studio.__main__ import argument_parser
from w2v_studio.audio.files import read_audio
from w2v_studio.commands import sound_progress
from w2v_studio.commands.running import run_command
from w2v_studio.commands.sound_progress import SoundProgress
from w2v_studio.commands.transcribing import planned
from w2v_studio.transcripts.out_files import OutFileError, write_whole

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = REPOSITORY / "resources" / "samples"
SPOKEN = "FOUR ZERO FIVE ONE NINE"


def options(*arguments) -> argparse.Namespace:
    return argument_parser().parse_args(["transcribe", *map(str, arguments), "--provider", "cpu"])


def transcribe(*arguments) -> int:
    return run_command(options(*arguments))


@pytest.fixture
def folder(tmp_path):
    """Two recordings of one name, one in a folder below, one that is none, and a text."""
    inside = tmp_path / "in" / "below"
    inside.mkdir(parents=True)
    waveform = read_audio(SAMPLES / "digits-jackson.flac")
    soundfile.write(inside.parent / "talk.wav", waveform, 16000)
    soundfile.write(inside.parent / "talk.flac", waveform, 16000)
    soundfile.write(inside / "other.ogg", waveform, 16000)
    (inside / "broken.mp3").write_bytes(b"nothing to hear")
    (inside / "notes.txt").write_text("not meant")
    return inside.parent


def test_a_folder_into_a_folder(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert transcribe(folder, "--recursive", "--format", "srt", "--out", out, "--raw") == 1  # for the broken one
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "broken.mp3 cannot be read as audio" in told.err
    made = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    # Two recordings of one name keep their endings apart.
    assert made == {"talk.wav.srt", "talk.flac.srt", "below/other.srt"}
    for name in made:
        assert SPOKEN in (out / name).read_text()


def test_beside_and_never_over_what_is_there(folder, capsys):
    recording, target = folder / "below" / "other.ogg", folder / "below" / "other.txt"
    assert transcribe(recording, "--beside", "--raw") == 0
    assert target.read_text() == SPOKEN + "\n"
    target.write_text("corrected by hand")
    assert transcribe(recording, "--beside", "--raw") == 1
    assert "other.txt exists; --force replaces it" in capsys.readouterr().err
    assert transcribe(recording, "--beside", "--raw", "--skip-existing") == 0
    assert target.read_text() == "corrected by hand"
    assert transcribe(recording, "--beside", "--raw", "--force") == 0
    assert target.read_text() == SPOKEN + "\n"
    assert capsys.readouterr() == ("", "")
    assert not list(target.parent.glob(".*"))


def test_one_file_into_a_file(folder, tmp_path, capsys):
    out = tmp_path / "some" / "where.json"
    assert transcribe(folder / "talk.wav", "--format", "json", "--out", out) == 0
    values = json.loads(out.read_text())
    assert (values["text"], values["raw_text"]) == ("4 0 5 1 9", SPOKEN)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["talk.wav", "talk.flac", "--format", "vtt"],
            "2 transcripts as vtt need files: give --out FOLDER or --beside",
        ),
        (["talk.wav", "talk.flac", "--out", "all.txt"], "all.txt is the name of a file; 2 transcripts need a folder"),
        (["talk.wav", "--force"], "give --out or --beside too"),
        (["talk.wav", "--out", "talk.wav", "--force"], "talk.wav is the recording itself"),
        (["empty", "--recursive"], "no sound or video file lies in empty"),
    ],
)
def test_orders_that_make_no_sense_are_refused_before_any_work(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    with pytest.raises(OutFileError) as caught:
        planned(options(*arguments))
    assert message in str(caught.value)


def test_files_side_by_side_give_the_same_in_the_order_given(capsys):
    files = sorted(SAMPLES.glob("*.*a*"))[::-1] + sorted(SAMPLES.glob("*.opus"))
    printed = []
    for jobs in (1, 4):
        assert transcribe(*files, "--format", "ctm", "--jobs", jobs) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    names = list(dict.fromkeys(line.split()[0] for line in printed[0].splitlines()))
    assert names == [path.stem for path in files]


def test_a_cut_file_gives_its_words_and_a_warning(tmp_path, capsys):
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.tile(read_audio(SAMPLES / "digits-jackson.flac"), 2), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert transcribe(path, "--format", "json") == 0
    told = capsys.readouterr()
    values = json.loads(told.out)
    assert values["raw_text"] == SPOKEN
    assert "is cut: 5.9 s of 11.8 s are there" in values["warning"]
    assert told.err == f"w2v-studio: {values['warning']}\n"


def test_hard_input_gives_the_words(tmp_path, capsys):
    waveform = read_audio(SAMPLES / "digits-jackson.flac")
    rising = np.interp(np.arange(6 * len(waveform)) / 6, np.arange(len(waveform)), waveform)
    sounds = {
        "offset": (waveform + 0.2, 16000),
        "96-khz": (rising, 96000),
        "8-khz": (waveform[::2], 8000),
        "seven": (np.stack([waveform] * 7, axis=1), 16000),
        "loud": (np.clip(2 * waveform / np.abs(waveform).max(), -1, 1), 16000),
    }
    for name, (samples, rate) in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "silent.wav", np.zeros(30 * 16000), 16000)
    assert transcribe(tmp_path, "-r", "--raw", "--format", "json") == 0
    texts = {
        Path(line["file"]).stem: line["raw_text"] for line in map(json.loads, capsys.readouterr().out.splitlines())
    }
    assert texts.pop("silent") == ""
    for name, text in texts.items():
        right = sum(word in text.split() for word in SPOKEN.split())
        assert right >= (3 if name in ("loud", "8-khz") else 4), (name, text)


def test_ctrl_c_ends_at_once_and_keeps_what_is_done(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.tile(read_audio(SAMPLES / "digits-jackson.flac"), 1200), 16000)
    (tmp_path / "short.flac").write_bytes((SAMPLES / "digits-jackson.flac").read_bytes())
    command = ["transcribe", "short.flac", "long.wav", "--format", "json", "--provider", "cpu", "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "w2v_studio", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert json.loads(first)["raw_text"] == SPOKEN
    assert (process.returncode, out, err) == (130, "", "")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "half \ud800", force=True)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(OutFileError, match="cannot be written"):
        write_whole(target / "b.txt", "x", force=True)


def test_the_progress_counts_seconds_of_sound(monkeypatch):
    files = [SAMPLES / "digits-jackson.flac", SAMPLES / "digits-nicolas.flac", Path("absent.wav")]
    stream = io.StringIO()
    monkeypatch.setattr(sound_progress.sys, "stderr", stream)
    lengths = [soundfile.info(path).duration for path in files[:2]]
    with SoundProgress(files, is_shown=True) as progress:
        assert f"0/{sum(lengths):.0f} s of sound, 0 of 3 files" in stream.getvalue()
        progress.advance(files[0], round(16000 * lengths[0]))
        progress.finish(files[0])
        progress.finish(files[1])  # it could not be read: it does not count
        progress.finish(files[2])
        assert "100%" in stream.getvalue().split("\r")[-1]
        assert f"{lengths[0]:.0f}/{lengths[0]:.0f} s of sound, 3 of 3 files" in stream.getvalue()
