"""Recordings, a model, words: all with the mouse in the real window, about a minute of learning."""

import sys

import pytest

from engine.text.error_rate import error_rates
from tests.desktop.conftest import spoken
from tests.desktop.screen import opened_window
from tests.virtual_microphone import virtual_microphone

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="Xvfb and PulseAudio are for Linux"),
]
TRAIN_COLUMN = 1
LEARNING_S = 240
"""On two free cores it takes half a minute and exporting a quarter; other work on the machine slows both."""
EXPORT_S = 300


def test_train_export_and_dictate(tmp_path, few_digits, window_environment):
    rows = [line.split("\t") for line in (few_digits / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    speech = spoken([(few_digits / row[0], row[3]) for row in rows[::3]], tmp_path / "spoken.wav", 48000)
    with (
        virtual_microphone(tmp_path / "sound") as microphone,
        opened_window(tmp_path, window_environment(microphone.environment)) as window,
    ):
        window.click("rail_train")
        window.wait_until("the Train screen is shown", lambda: window.is_enabled("new_run_button"))
        window.click("new_run_button")
        window.click("task_finetune_button")
        window.wait_until("the data set is listed", lambda: "few/train" in window.ask("rows", name="dataset_picker"))
        assert window.ask("tick", name="dataset_picker", row="few/train", column=TRAIN_COLUMN)
        window.ask("pick", name="preset_picker", text="by-heart")
        window.ask("type", name="run_name", text="by heart")
        window.wait_until("the run can start", lambda: window.is_enabled("train_start_button"), 5)
        window.click("train_start_button")
        window.wait_until("it learns", lambda: window.text("run_state") in ("running", "finished"), 60)
        window.wait_until("it has learned", lambda: window.text("run_state") == "finished", LEARNING_S)
        window.ask("grab", path=str(tmp_path / "trained.png"))
        window.wait_until("it is exported", lambda: window.is_enabled("use_model_button"), EXPORT_S)
        window.click("use_model_button")
        window.wait_until("it is loaded", lambda: window.text("status_model") == "by heart", 60)
        window.click("record_button")
        window.wait_until("it listens", lambda: window.text("dictation_state") == "Listening", 30)
        microphone.play(speech.path)
        window.click("record_button")
        window.wait_until("the last words are final", lambda: window.text("dictation_state") == "Ready", 30)
        said = window.text("transcript")
        assert "torch" not in window.ask("modules")
    assert error_rates([(" ".join(speech.words), said.upper())]).wer <= 0.5, said
