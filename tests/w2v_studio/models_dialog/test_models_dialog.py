"""The models window, with real bundles and real child processes."""

import json
import shutil
import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox

from engine.__main__ import main as engine
from engine.text.ngram.packed import read_marks, read_packed
from w2v_studio.assets import bundled_models_folder
from w2v_studio.bundles import installed_bundles, own_bundles_folder
from w2v_studio.models.adding import AddRequest, ModelAdder
from w2v_studio.models_dialog.dialog import ModelsDialog
from w2v_studio.theme import Theme

SHIPPED = sorted(path.name for path in bundled_models_folder().iterdir() if path.is_dir())


@pytest.fixture
def make_dialog(qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))
    shown = []

    def make(make_adder=ModelAdder):
        dialog = ModelsDialog(Theme("light"), make_adder)
        qtbot.addWidget(dialog)
        dialog.show()
        shown.append(dialog)
        return dialog

    yield make
    for dialog in shown:
        dialog.tasks.close()


def names(dialog):
    return [dialog.list.item(row).text().splitlines()[0] for row in range(dialog.list.count())]


def test_a_model_is_added_used_and_removed(qtbot, make_dialog, small_bundle, monkeypatch):
    dialog = make_dialog()
    assert names(dialog) == SHIPPED
    assert not dialog.remove_button.isEnabled(), "shipped models stay"
    dialog.source.setText(str(small_bundle))
    with qtbot.waitSignal(dialog.tasks.added, timeout=60_000):
        qtbot.mouseClick(dialog.add_button, Qt.MouseButton.LeftButton)
        assert dialog.cancel_button.isVisible()
    assert "is installed" in dialog.notice.text
    assert names(dialog) == [*SHIPPED, small_bundle.name]
    with qtbot.waitSignal(dialog.use_requested) as wanted:
        qtbot.mouseClick(dialog.use_button, Qt.MouseButton.LeftButton)
    assert wanted.args == [str(own_bundles_folder() / small_bundle.name)]
    with qtbot.waitSignal(dialog.tasks.checked, timeout=60_000):
        qtbot.mouseClick(dialog.check_button, Qt.MouseButton.LeftButton)
    assert "times as fast as speech" in dialog.notice.text
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    qtbot.keyClick(dialog.list, Qt.Key.Key_Delete)
    dialog._remove()
    assert len(installed_bundles()) == len(SHIPPED) + 1
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    with qtbot.waitSignal(dialog.models_changed):
        dialog._remove()
    assert names(dialog) == SHIPPED


@pytest.fixture
def with_phones(tmp_path, monkeypatch):
    """An own model that finds words by phones, with a language model of two sentences."""
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))
    folder, text = own_bundles_folder() / "with-phones", tmp_path / "text.txt"
    folder.parent.mkdir(parents=True)
    shutil.copytree(bundled_models_folder() / "small-en", folder)
    text.write_text("Once upon a time.\nUpon a time.\n")
    assert engine(["build-lm", str(text), "--prune", "0", "--out", str(folder / "lm.npz")]) == 0
    card = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(card | {"name": "with-phones"}))
    return folder


def test_a_model_is_taught_texts(qtbot, with_phones, make_dialog, tmp_path, monkeypatch):
    dialog = make_dialog()
    dialog.list.setCurrentRow(names(dialog).index("tiny-en"))
    assert not dialog.teach_button.isEnabled(), "it has no language model"
    dialog.list.setCurrentRow(names(dialog).index("with-phones"))
    notes = tmp_path / "notes.txt"
    notes.write_text("Deryck met Zwilgmeyer.\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(notes)], ""))
    with qtbot.waitSignals([dialog.tasks.taught, dialog.models_changed], timeout=120_000):
        qtbot.mouseClick(dialog.teach_button, Qt.MouseButton.LeftButton)
        assert not dialog.teach_button.isEnabled()
        assert dialog.progress.isVisible()
        assert not dialog.cancel_button.isVisible(), "it takes seconds"
    assert "Taught with-phones 3 words in 1 sentence" in dialog.notice.text
    assert dialog.current().folder == with_phones
    assert "ZWILGMEYER" in read_packed(with_phones / "lm.npz")[0]
    with qtbot.waitSignal(dialog.tasks.failed, timeout=120_000):
        qtbot.mouseClick(dialog.teach_button, Qt.MouseButton.LeftButton)
    assert "nothing to learn" in dialog.notice.text
    # Further texts are learned on top of these.
    notes.write_text("Deryck met Zwilgmeyer. Who met whom?\n")
    with qtbot.waitSignal(dialog.tasks.taught, timeout=120_000):
        qtbot.mouseClick(dialog.teach_button, Qt.MouseButton.LeftButton)
    assert len(read_marks(with_phones / "lm.npz")) == 2


def test_what_cannot_be_added_is_said_with_its_remedy(qtbot, make_dialog):
    dialog = make_dialog()
    with qtbot.waitSignal(dialog.tasks.failed, timeout=30_000):
        dialog.add("/no/such/model")
    assert "give the folder of a bundle" in dialog.notice.text
    assert dialog.browse_button.isEnabled()


def test_adding_shows_progress_and_can_be_cancelled(qtbot, make_dialog, tmp_path):
    model = tmp_path / "model.pt"
    model.write_bytes(b"never read")
    program = "import signal; print('37 of 378 MB', flush=True); signal.pause()"
    dialog = make_dialog(lambda: ModelAdder(engine=(sys.executable, "-c", program)))
    dialog.add(str(model))
    qtbot.waitUntil(lambda: dialog.progress.text() == "37 of 378 MB", timeout=30_000)
    with qtbot.waitSignal(dialog.tasks.cancelled, timeout=30_000):
        qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    assert "nothing was installed" in dialog.notice.text
    assert names(dialog) == SHIPPED


def test_an_offer_is_one_click_and_brings_its_language_and_licence(qtbot, make_dialog):
    asked = []

    class Recorder(ModelAdder):
        def add(self, request, say):
            asked.append(request)
            return installed_bundles()[0]

    dialog = make_dialog(Recorder)
    german = next(button for button in dialog._offers if "German" in button.accessibleName())
    assert "1.3 GB" in german.text()
    with qtbot.waitSignal(dialog.tasks.added, timeout=30_000):
        qtbot.mouseClick(german, Qt.MouseButton.LeftButton)
    assert asked == [AddRequest("facebook/wav2vec2-large-xlsr-53-german", language="de", licence="Apache 2.0")]


def test_broken_models_say_why(make_dialog, tmp_path):
    broken = tmp_path / "home" / "bundles" / "broken"
    broken.mkdir(parents=True)
    dialog = make_dialog()
    item = dialog.list.item(len(SHIPPED))
    assert item.text().startswith("broken")
    assert "bundle.json" in item.toolTip()
