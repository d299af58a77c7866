"""The screen as a person uses it, with a child that speaks the protocol."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from engine import config
from w2v_studio.theme import Theme
from w2v_studio.training.dataset_picker import EVALUATE, TRAIN
from w2v_studio.training.model import TrainingModel
from w2v_studio.training.new_run_form import NewRunForm
from w2v_studio.training.plan import FORM_SETTINGS
from w2v_studio.training.runs import RunState
from w2v_studio.training.view import TrainingView

MakeModel = Callable[..., TrainingModel]
LONG_MS = 20_000


@pytest.fixture
def show(make_model: MakeModel, qtbot: QtBot) -> Callable[..., TrainingView]:
    def open_view(mode: str = "obedient") -> TrainingView:
        view = TrainingView(make_model(mode), Theme("light"))
        qtbot.addWidget(view)
        view.resize(1200, 760)
        view.show()
        qtbot.waitUntil(lambda: view.form.dataset_picker.topLevelItemCount() == 2, timeout=LONG_MS)
        return view

    return open_view


def child(view: QWidget, kind: type[QWidget], name: str) -> QWidget:
    found = view.findChild(kind, name)
    assert found is not None, name
    return found


def press(qtbot: QtBot, view: QWidget, name: str) -> None:
    qtbot.mouseClick(child(view, QPushButton, name), Qt.MouseButton.LeftButton)


def tick(qtbot: QtBot, form: NewRunForm, row: int, column: int) -> None:
    picker = form.dataset_picker
    cell = picker.visualItemRect(picker.topLevelItem(row))
    place = QPoint(picker.columnViewportPosition(column) + 20, cell.center().y())
    qtbot.mouseClick(picker.viewport(), Qt.MouseButton.LeftButton, pos=place)


def command_of(view: TrainingView) -> str:
    field = child(view, QPlainTextEdit, "command_line")
    assert isinstance(field, QPlainTextEdit)
    return field.toPlainText()


def problem_of(view: TrainingView) -> str:
    label = child(view, QLabel, "train_problem")
    assert isinstance(label, QLabel)
    return label.text()


def test_start_follow_stop_resume_from_the_window(
    show: Callable[..., TrainingView], qtbot: QtBot, tmp_path: Path
) -> None:
    view = show()
    press(qtbot, view, "new_run_button")
    assert not view.form.start_button.isEnabled()
    assert "data set" in problem_of(view)
    tick(qtbot, view.form, 0, TRAIN)
    tick(qtbot, view.form, 1, EVALUATE)
    assert f"--data {tmp_path}/speech/digits/many.tsv --valid {tmp_path}/speech/digits/train.tsv" in command_of(view)
    assert problem_of(view) == ""
    press(qtbot, view, "train_start_button")
    page = view.page
    qtbot.waitUntil(lambda: page.chip.text() == "running", timeout=LONG_MS)
    qtbot.waitUntil(lambda: page._tiles["first"].value.text() == "50.0 %", timeout=LONG_MS)
    assert page.title.text() == "small"
    assert not page.resume_button.isVisible()
    press(qtbot, view, "train_stop_button")
    qtbot.waitUntil(lambda: page.chip.text() == "stopped", timeout=LONG_MS)
    assert page.resume_button.isVisible()
    assert page.finetune_button.isVisible()
    assert not page.stop_button.isVisible()
    press(qtbot, view, "train_resume_button")
    qtbot.waitUntil(lambda: page.chip.text() == "running", timeout=LONG_MS)


def test_fine_tune_this_starts_from_the_pretraining(show: Callable[..., TrainingView], qtbot: QtBot) -> None:
    view = show("short")
    press(qtbot, view, "new_run_button")
    view.form.dataset_picker.choose([view.form.dataset_picker._rows[0][0].path])
    press(qtbot, view, "train_start_button")
    qtbot.waitUntil(lambda: view.page.chip.text() == "finished", timeout=LONG_MS)
    folder = view._model.runs[0].folder
    press(qtbot, view, "finetune_button")
    form = view.form
    assert form.task == "finetune"
    assert form.start_picker.currentData() == folder
    assert form.dataset_picker.train_paths() == ()  # `many` has no transcripts
    tick(qtbot, form, 0, TRAIN)  # and cannot be ticked
    assert form.dataset_picker.train_paths() == ()
    tick(qtbot, form, 1, TRAIN)
    assert f"--from {folder}" in command_of(view)
    press(qtbot, view, "train_start_button")
    qtbot.waitUntil(lambda: view.page.title.text() == "small-digits", timeout=LONG_MS)
    qtbot.waitUntil(lambda: view.page.chip.text() == "finished", timeout=LONG_MS)
    assert view.page._tiles["first"].value.text() == "50.0 %"
    assert "ONE TWO" in view.page._samples.toPlainText()
    with qtbot.waitSignal(view._model.bundle_ready, timeout=LONG_MS):
        qtbot.waitUntil(lambda: view.page.use_model_button.isEnabled(), timeout=LONG_MS)
        press(qtbot, view, "use_model_button")


def test_settings_are_checked_as_they_are_typed(show: Callable[..., TrainingView], qtbot: QtBot) -> None:
    view = show()
    press(qtbot, view, "new_run_button")
    form = view.form
    form.dataset_picker.choose([form.dataset_picker._rows[0][0].path])
    press(qtbot, view, "advanced_button")
    form.settings_table.set_value("loop.batch_s", "plenty")
    assert problem_of(view) == "loop.batch_s='plenty' must be a number"
    assert not form.start_button.isEnabled()
    form.settings_table.set_value("loop.batch_s", "30")
    form.updates_field.setValue(500)
    form.minutes_field.setValue(2)
    form.name_field.setText("Två röster")
    assert problem_of(view) == ""
    plan = form.plan()
    assert plan is not None
    checked = plan.checked()
    assert (checked.loop.batch_s, checked.loop.updates, checked.loop.time_limit_s) == (30.0, 500, 120.0)
    assert checked.name == "Två röster"
    press(qtbot, view, "copy_command_button")
    assert QGuiApplication.clipboard().text() == command_of(view)


def test_every_setting_has_a_place(show: Callable[..., TrainingView]) -> None:
    form = show().form
    keys = {key for key, _, _ in config.describe()}
    assert set(FORM_SETTINGS) <= keys
    assert set(form.settings_table._items) == keys - set(FORM_SETTINGS)
    assert form.settings_table.changes() == {}


def test_missing_torch_is_told_with_the_remedy(
    show: Callable[..., TrainingView], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    view = show()
    press(qtbot, view, "new_run_button")
    view.form.dataset_picker.choose([view.form.dataset_picker._rows[0][0].path])
    assert "uv sync" in problem_of(view)
    assert not view.form.start_button.isEnabled()


def test_deleting_offers_to_undo(show: Callable[..., TrainingView], qtbot: QtBot) -> None:
    view = show("short")
    press(qtbot, view, "new_run_button")
    view.form.dataset_picker.choose([view.form.dataset_picker._rows[0][0].path])
    press(qtbot, view, "train_start_button")
    qtbot.waitUntil(lambda: view.page.chip.text() == "finished", timeout=LONG_MS)
    view.page._delete_action.trigger()
    qtbot.waitUntil(lambda: view._pages.currentWidget() is view._empty, timeout=LONG_MS)
    assert "small" in view.notice.text
    view.notice.action_clicked.emit()
    qtbot.waitUntil(lambda: [run.state for run in view._model.runs] == [RunState.FINISHED], timeout=LONG_MS)
    assert view._pages.currentWidget() is view.page


def test_both_themes_paint(show: Callable[..., TrainingView], qtbot: QtBot) -> None:
    view = show("short")
    press(qtbot, view, "new_run_button")
    light = view.grab().toImage()
    view._theme.set_name("dark")
    dark = view.grab().toImage()
    assert light.pixelColor(light.width() - 5, 5).lightness() > 200
    assert dark.pixelColor(dark.width() - 5, 5).lightness() < 60


def test_installed_models_with_weights_are_a_start(show: Callable[..., TrainingView], qtbot: QtBot) -> None:
    view = show("short")
    mine = view._model.bundles_folder / "mine"
    mine.mkdir(parents=True)
    (mine / "trainable.pt").touch()
    (view._model.bundles_folder / "other").mkdir()
    press(qtbot, view, "new_run_button")
    form = view.form
    form.set_task("pretrain")
    words = "mine, installed model"
    assert form.start_picker.findText(words) < 0
    form.set_task("finetune")
    form.start_picker.setCurrentIndex(form.start_picker.findText(words))
    assert form.start_picker.currentData() == mine
    assert form.start_picker.findText("other, installed model") < 0
    assert f"--from {mine}" in command_of(view)
    form.set_runs(view._model.runs)  # as happens twice a second
    assert form.start_picker.currentText() == words
    texts = [form.start_picker.itemText(place) for place in range(form.start_picker.count())]
    assert len(set(texts)) == len(texts)
