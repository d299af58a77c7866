"""Real sound through PulseAudio, ALSA and PortAudio into the command."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from virtual_microphone import virtual_microphone

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLE = REPOSITORY / "resources" / "samples" / "digits-jackson.flac"

pytestmark = pytest.mark.desktop


@pytest.fixture(scope="module")
def microphone(tmp_path_factory):
    with virtual_microphone(tmp_path_factory.mktemp("microphone")) as running:
        yield running


def command(*arguments):
    return [sys.executable, "-m", "w2v_studio", *map(str, arguments)]


def start(microphone, *arguments, stdout=subprocess.PIPE):
    """The command, listening: its first line on standard error has come."""
    process = subprocess.Popen(
        command(*arguments),
        env=microphone.environment,
        cwd=REPOSITORY,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "Listening to" in process.stderr.readline()
    return process


def test_the_microphone_is_listed(microphone):
    table = subprocess.run(
        command("devices"), env=microphone.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert table.returncode == 0, table.stderr
    assert "default" in table.stdout
    lines = subprocess.run(
        command("devices", "--json"),
        env=microphone.environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.splitlines()
    devices = [json.loads(line) for line in lines]
    assert [device["is_default"] for device in devices].count(True) == 1
    assert set(devices[0]) == {"index", "name", "host_api", "channels", "default_rate_hz", "is_default"}


def test_spoken_words_come_out_as_json_while_the_clip_plays(microphone, small_bundle):
    process = start(microphone, "dictate", "--bundle", small_bundle, "--seconds", 6, "--format", "json")
    microphone.play(SAMPLE)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in output.splitlines()]
    assert len(lines) >= 2
    for line in lines:
        assert [word["word"] for word in line["words"]] == line["text"].split()
        assert 0 <= line["start_s"] < line["end_s"] <= 6.5


def test_ctrl_c_ends_with_the_words_heard_so_far(microphone, small_bundle):
    process = start(microphone, "dictate", "--bundle", small_bundle)
    player = microphone.start_playing(SAMPLE)
    assert process.stdout.readline().strip()  # the first finished segment
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    player.terminate()
    player.wait(timeout=30)
    assert process.returncode == 0
    assert errors == ""


def test_on_a_terminal_partial_words_are_dim_and_rewritten(microphone, small_bundle):
    ours, theirs = pty.openpty()
    process = start(microphone, "dictate", "--bundle", small_bundle, "--seconds", 4, stdout=theirs)
    os.close(theirs)
    player = microphone.start_playing(SAMPLE)
    shown = b""
    with suppress(OSError):  # a terminal without a writer ends in one
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert process.wait(timeout=30) == 0
    player.terminate()
    player.wait(timeout=30)
    assert b"\r\x1b[2K\x1b[2m" in shown  # dim text in place
    final = shown.split(b"\r\x1b[2K")
    assert any(piece.endswith(b"\r\n") and b"\x1b" not in piece for piece in final)


def test_an_unplugged_microphone_ends_with_a_sentence_and_keeps_the_words(tmp_path, small_bundle):
    with virtual_microphone(tmp_path, rate_hz=44100) as microphone:
        process = start(microphone, "dictate", "--bundle", small_bundle)
        player = microphone.start_playing(SAMPLE)
        first = process.stdout.readline()
        microphone.unplug()
        _, errors = process.communicate(timeout=30)
        player.wait(timeout=30)
    assert first.strip()
    assert process.returncode == 1
    assert "may be unplugged" in errors.splitlines()[-1]
    assert "Traceback" not in errors
