"""The commands as a user runs them: in a process of their own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.bundle import open_bundle
from w2v_studio.audio.files import read_audio
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLE = REPOSITORY / "resources" / "samples" / "digits-jackson.flac"


def studio(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "w2v_studio", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        timeout=120,
    )


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two good files of different kinds and a bad one between them."""
    folder = tmp_path_factory.mktemp("recordings")
    waveform = read_audio(SAMPLE)
    soundfile.write(folder / "one.wav", waveform[:32_000], 16000)
    (folder / "two.wav").write_text("not audio")
    soundfile.write(folder / "three.flac", np.stack([waveform, waveform], axis=1), 16000)
    return [folder / "one.wav", folder / "two.wav", folder / "three.flac"]


def test_json_has_an_object_a_line_that_agrees_with_the_library(small_bundle, recordings):
    one, _, three = recordings
    run = studio("transcribe", one, three, "--format", "json", "--bundle", small_bundle, "--provider", "cpu")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["file"] for line in lines] == [str(one), str(three)]
    recognizer = Recognizer(open_bundle(small_bundle), "cpu")
    for line, path in zip(lines, (one, three), strict=True):
        expected = transcribe(recognizer, read_audio(path))
        assert line["raw_text"] == expected.text != ""
        assert line["text"].casefold() == line["raw_text"].casefold() != line["raw_text"]
        assert [word["word"] for word in line["words"]] == line["raw_text"].split()
        assert set(line["words"][0]) == {"word", "start_s", "end_s", "confidence"}
        assert line["words"][-1]["end_s"] <= line["duration_s"] == pytest.approx(expected.duration_s, abs=1e-4)
        assert (line["bundle"], line["provider"]) == ("random-layer", "CPU")


def test_a_bad_file_costs_its_own_line_only(small_bundle, recordings):
    run = studio("transcribe", *recordings, "--bundle", small_bundle)
    assert run.returncode == 1
    assert [line.split(":")[0] for line in run.stdout.splitlines()] == [str(recordings[0]), str(recordings[2])]
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith(f"w2v-studio: {recordings[1]} cannot be read as audio")


def test_the_text_of_one_file_is_the_text_alone(small_bundle, recordings):
    run = studio("transcribe", recordings[0], "--bundle", small_bundle, "--raw")
    assert (
        run.stdout.strip() == transcribe(Recognizer(open_bundle(small_bundle), "cpu"), read_audio(recordings[0])).text
    )


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["transcribe", "x.wav", "--bundle", "no-such-model"], 1, "no model 'no-such-model'"),
        (["transcribe", "x.wav", "--bundle", "tests"], 1, "is not a bundle"),
        (["transcribe"], 2, "FILE"),
        (["dictate", "--seconds", "-1"], 2, "not a number of seconds above 0"),
        (["dictate", "--seconds", "soon"], 2, "invalid"),
        (["transmogrify"], 2, "transmogrify"),
    ],
)
def test_mistakes_are_sentences_and_not_tracebacks(arguments, status, message):
    run = studio(*arguments)
    assert run.returncode == status
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_an_unknown_provider_on_this_machine_says_why(small_bundle, recordings):
    run = studio("transcribe", recordings[0], "--bundle", small_bundle, "--provider", "cuda")
    if run.returncode == 0:
        pytest.skip("this machine has CUDA")
    assert run.stderr.startswith("w2v-studio: CUDA cannot be used: ")
    assert run.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error_message(small_bundle, recordings):
    command = (
        f"{sys.executable} -m w2v_studio transcribe {recordings[0]} {recordings[2]} --bundle {small_bundle} | true"
    )
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=REPOSITORY, timeout=120)
    assert run.stderr == ""


def test_help_and_version_are_quick_and_load_nothing_heavy():
    began = time.perf_counter()
    run = studio("--help")
    first_s = time.perf_counter() - began
    assert all(command in run.stdout for command in ("transcribe", "dictate", "devices"))
    code = (
        "import sys\nfrom w2v_studio.__main__ import argument_parser\nargument_parser().format_help()\n"
        "print([name for name in ('numpy', 'onnxruntime', 'torch', 'PySide6', 'soundfile') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert loaded.stdout.strip() == "[]"
    assert first_s < 5  # 0.1 s on an idle machine; the list above is what keeps it so
    assert studio("--version").stdout.startswith("w2v-studio ")
