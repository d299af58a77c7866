"""How final words are found is the user's choice: in the menu, in the list of hotwords, and where it cannot be had."""

import shutil

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QMenu

from export.bundle import open_bundle
from w2v_studio.bundles import default_bundle
from w2v_studio.dictation.decoders import make_decoders
from w2v_studio.dictation.hotwords_dialog import HotwordsDialog
from w2v_studio.dictation.view import DictationView
from w2v_studio.recognition.decoding.decoder import GreedyDecoder, HotwordDecoder
from w2v_studio.recognition.decoding.hotwords_file import own_hotwords, own_hotwords_file
from w2v_studio.recognition.decoding.prefix_beam import BeamDecoder
from w2v_studio.settings import DECODING
from w2v_studio.theme import Theme


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))


def test_without_a_language_model_auto_is_greedy_and_lm_says_why_not():
    bundle = default_bundle()
    assert isinstance(make_decoders(bundle, "auto").final, GreedyDecoder)
    assert isinstance(make_decoders(bundle, "beam").final, BeamDecoder)
    assert isinstance(make_decoders(bundle, "beam").partial, GreedyDecoder)
    asked = make_decoders(bundle, "lm")
    assert isinstance(asked.final, GreedyDecoder)
    assert "no language model" in asked.problem


def test_a_language_model_in_the_bundle_is_used(tmp_path):
    pytest.importorskip("flashlight.lib.text.decoder", reason="flashlight-text has no wheels for this Python")
    folder = tmp_path / "with-lm"
    shutil.copytree(default_bundle().folder, folder)
    words = ["ONE", "TWO", "THREE"]
    lines = ["\\data\\", f"ngram 1={len(words) + 3}", "ngram 2=1", "", "\\1-grams:"]
    lines += ["-1.0\t<unk>\t0", "-99\t<s>\t0", "-1.0\t</s>\t0", *(f"-0.6\t{word}\t-0.1" for word in words)]
    lines += ["", "\\2-grams:", "-0.3\tONE TWO", "", "\\end\\", ""]
    (folder / "lm.arpa").write_text("\n".join(lines))
    made = make_decoders(open_bundle(folder), "auto")
    assert made.problem == ""
    assert type(made.final).__name__ == "LanguageModelDecoder"


def test_hotwords_are_edited_as_text_and_used(qtbot):
    dialog = HotwordsDialog(Theme("light"))
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.editor.setPlainText("Ada Lovelace\nseven\tmuch")
    save = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save)
    qtbot.mouseClick(save, Qt.MouseButton.LeftButton)
    assert "line 2" in dialog.notice.text
    assert not own_hotwords_file().exists()
    dialog.editor.setPlainText("# people\nAda Lovelace\nseven\t1.5")
    with qtbot.waitSignal(dialog.saved):
        qtbot.mouseClick(save, Qt.MouseButton.LeftButton)
    assert [(item.phrase, item.weight) for item in own_hotwords()] == [("Ada Lovelace", 1.0), ("seven", 1.5)]
    assert isinstance(make_decoders(default_bundle(), "auto").partial, HotwordDecoder)
    again = HotwordsDialog(Theme("light"))
    qtbot.addWidget(again)
    assert again.editor.toPlainText().startswith("# people"), "remarks stay"


def test_a_broken_list_of_hotwords_does_not_keep_anybody_from_dictating():
    own_hotwords_file().parent.mkdir(parents=True)
    own_hotwords_file().write_text("seven\tmuch\n")
    made = make_decoders(default_bundle(), "auto")
    assert isinstance(made.final, GreedyDecoder)
    assert "line 1" in made.problem


def test_a_choice_in_the_menu_reaches_the_recogniser(qtbot, model, settings):
    view = DictationView(model, Theme("light"), settings)
    qtbot.addWidget(view)
    with qtbot.waitSignal(model.recognizer_ready, timeout=60_000):
        model.use_bundle(str(default_bundle().folder))
    submenus = view.text_menu.menu().findChildren(QMenu)
    actions = {action.objectName(): action for menu in submenus for action in menu.actions()}
    with qtbot.waitSignal(model.failed, timeout=30_000) as said:
        actions["decoding_lm"].trigger()
    assert "no language model" in said.args[0]
    actions["decoding_beam"].trigger()
    qtbot.waitUntil(lambda: isinstance(model._transcriber._live._decoders.final, BeamDecoder), timeout=30_000)
    assert settings.get(DECODING) == "beam"
