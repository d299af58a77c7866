"""The programs in docs/library.md, run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAMS = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "docs" / "library.md").read_text(), re.M | re.S)
NOT_NEEDED = ("torch", "PySide6", "transformers", "onnx")


def run(program):
    check = f"import sys\nassert not [name for name in {NOT_NEEDED!r} if name in sys.modules], 'too much is loaded'\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + check],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_two():
    assert len(PROGRAMS) == 2


def test_the_live_example_has_ten_lines_and_hears_the_digits():
    live = next(program for program in PROGRAMS if "LiveRecognizer" in program)
    assert len([line for line in live.splitlines() if line.strip()]) <= 10
    out = run(live)
    finals = re.findall(r"FinalUpdate\(segment=\d+, text='([A-Z ]*)'", out)
    sample = read_audio(REPOSITORY / "resources" / "samples" / "digits-jackson.flac")
    assert " ".join(finals) == transcribe(Recognizer(default_bundle()), sample, cut="pauses").text
    assert "FOUR ZERO" in " ".join(finals)
    assert "PartialUpdate(" in out


@pytest.mark.parametrize("program", [program for program in PROGRAMS if "Transcriber" in program])
def test_the_example_for_files_prints_words_with_times_and_the_text(program):
    lines = run(program).splitlines()
    assert [line.split()[-1] for line in lines[:-1]] == ["FOUR", "ZERO", "FIVE", "ONE", "NINE"]
    assert lines[-1] == "4 0 5 1 9"
