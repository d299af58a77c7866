"""From sound to words on the screen: the real window under Xvfb, a virtual microphone, the bundled model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.text.error_rate import error_rates
from tests.desktop.screen import ROOT, opened_window
from tests.virtual_microphone import virtual_microphone
from w2v_studio.bundles import installed_bundles

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(sys.platform != "linux", reason="Xvfb and PulseAudio are for Linux"),
]
MOST_ERRORS = 0.34
MOST_WORSE = 0.2


def transcribed(path: Path) -> str:
    """What the terminal command makes of the whole file."""
    done = subprocess.run(
        [sys.executable, "-m", "w2v_studio", "transcribe", str(path), "--format", "json", "--provider", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["raw_text"])


def as_spoken(written: str) -> str:
    """Digits said one behind the other are written as digits; which ones are is a matter of pauses."""
    names = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]
    words = written.upper().split()
    return " ".join(names[int(word)] if word.isdigit() and len(word) == 1 else word for word in words)


@pytest.mark.parametrize("rate_hz", [48000, 44100])
def test_spoken_words_appear_in_the_window(tmp_path, say_digits, window_environment, rate_hz):
    assert installed_bundles(), "the bundled model is missing from resources/models"
    speech = say_digits(rate_hz)
    with (
        virtual_microphone(tmp_path / "sound", rate_hz) as microphone,
        opened_window(tmp_path, window_environment(microphone.environment)) as window,
    ):
        window.wait_until("a model is loaded", lambda: window.text("status_provider"), 30)
        window.click("record_button")
        window.wait_until("it listens", lambda: window.text("dictation_state") == "Listening", 20)
        microphone.play(speech.path)
        seen_early = window.text("transcript") + window.text("partial")
        window.click("record_button")
        window.wait_until("the last words are final", lambda: window.text("dictation_state") == "Ready", 30)
        said = window.text("transcript")
        loaded = set(window.ask("modules"))
        window.ask("grab", path=str(tmp_path / "dictated.png"))
    assert seen_early.strip(), "nothing was written while the speech went on"
    assert "torch" not in loaded
    spoken = " ".join(speech.words)
    live = error_rates([(spoken, as_spoken(said))]).wer

    assert live <= MOST_ERRORS, said
    # The same model, from the whole file without pauses found: live words must not be worse.
    whole = transcribed(speech.path)
    assert live <= error_rates([(spoken, whole)]).wer + MOST_WORSE, (said, whole)
