import os

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QDialogButtonBox, QMenu

from engine.text.ctc import Word
from w2v_studio.audio.devices import InputDevice
from w2v_studio.dictation.hotwords_dialog import HotwordsDialog
from w2v_studio.dictation.model import FinalText
from w2v_studio.dictation.view import DictationView
from w2v_studio.settings import LETTER_CASE, MICROPHONE, RAW_WORDS, WRITE_MARKS, WRITE_NUMBERS
from w2v_studio.theme import Theme

pytestmark = pytest.mark.skipif(
    os.environ.get("QT_QPA_PLATFORM") not in (None, "offscreen", "xcb"), reason="needs a platform with windows"
)

MICROPHONES = [
    InputDevice(3, "USB headset", "ALSA", 1, 48000.0, False),
    InputDevice(5, "Built-in", "ALSA", 2, 44100.0, True),
]


@pytest.fixture
def view(qtbot, model, settings):
    shown = DictationView(model, Theme("light"), settings)
    qtbot.addWidget(shown)
    shown.resize(1280, 760)
    shown.show()
    return shown


def final(text: str, segment: int = 0, dictation: int | None = None, confidence: float = 0.9) -> FinalText:
    words = [Word(word, place, place + 0.5, confidence) for place, word in enumerate(text.split())]
    return FinalText(dictation, segment, text, tuple(words), 0.0, len(words))


def stored(view, text: str = "HELLO WORLD") -> int:
    """A finished dictation that is on the screen too."""
    store = view._model._store
    dictation = store.begin("tiny")
    store.add_segment(dictation.id, 0, text, final(text).words, 0.0, 1.0)
    store.finish(dictation.id, 1.0)
    view._model.text_finalized.emit(final(text, dictation=dictation.id))
    return dictation.id


def replace_word(view, old: str, new: str) -> None:
    cursor = view.pane.editor.document().find(old)
    assert not cursor.isNull()
    cursor.insertText(new)


def underlined(view) -> list[str]:
    """What has an underline on the screen."""
    found = []
    block = view.pane.editor.document().begin()
    while block.isValid():
        for part in block.layout().formats():
            if part.format.underlineStyle() != QTextCharFormat.UnderlineStyle.NoUnderline:
                found.append(block.text()[part.start : part.start + part.length])
        block = block.next()
    return found


def test_final_and_partial_words_are_told_apart(view, model):
    model.text_finalized.emit(final("HELLO WORLD"))
    model.partial_changed.emit("AND NOW", "SOMETHING")
    assert view.transcript == "Hello world"
    assert view.pane.partial_text == "And now something"
    markup = view.pane.partial_label.text()
    committed, slanted, unstable = markup.partition("italic")
    assert slanted
    assert "And now" in committed
    assert "something" in unstable
    assert view._theme.colour("partial").name() in markup
    model.partial_changed.emit("", "")
    assert not view.pane.partial_label.isVisible()


def test_segments_become_paragraphs_and_words_tell_time_and_confidence(view, model):
    model.text_finalized.emit(final("FIRST", 0))
    model.text_finalized.emit(final("SECOND WORD", 1, confidence=0.3))
    assert view.transcript == "First\nSecond word"
    cursor = view.pane.editor.document().find("word")
    assert cursor.charFormat().toolTip() == "0:01.00 to 0:01.50, confidence 30%"
    assert underlined(view) == ["Second", "word"]


def test_a_correction_is_saved_and_can_be_taken_back(qtbot, view, model):
    number = stored(view)
    replace_word(view, "world", "there")
    view.pane.editor.save_corrections()
    assert model.dictation(number).text == "Hello there"
    assert model.dictation(number).raw_text == "HELLO WORLD"
    view.pane.editor.undo()
    view.pane.editor.save_corrections()
    assert not model.dictation(number).is_corrected


def test_a_split_paragraph_still_belongs_to_its_segment(view, model):
    number = stored(view)
    cursor = view.pane.editor.document().find("world")
    cursor.setPosition(cursor.selectionStart())
    cursor.insertBlock()
    replace_word(view, "world", "earth")
    view.pane.editor.save_corrections()
    assert model.dictation(number).text == "Hello earth"


def doubtful(view) -> int:
    """A stored dictation of four words, of which the second and the last may be others and are unsure."""
    store = view._model._store
    dictation = store.begin("tiny")
    words = (
        Word("THE", 0.0, 0.2, 0.9),
        Word("CAT", 0.2, 0.5, 0.3, ("CAP", "COMMA", "CAT'S")),
        Word("SAW", 0.5, 0.7, 0.8, ("SORE",)),
        Word("ADA", 0.7, 1.0, 0.4, ("AIDA",)),
    )
    store.add_segment(dictation.id, 0, "THE CAT SAW ADA", words, 0.0, 1.0)
    store.finish(dictation.id, 1.0)
    view._model.text_finalized.emit(FinalText(dictation.id, 0, "THE CAT SAW ADA", words, 0.0, 1.0))
    return dictation.id


def choices(view, cursor) -> list[str]:
    actions = view.pane.editor.menu_at(cursor).actions()
    return [action.text() for action in actions if action.objectName().startswith("choice_")]


def test_a_word_is_replaced_by_what_it_may_be_instead(view, model):
    number = doubtful(view)
    editor = view.pane.editor
    cursor = editor.document().find("cat")
    assert "or cap, comma, cat's" in cursor.charFormat().toolTip()
    assert choices(view, cursor) == ["cap", "comma", "cat's"]
    assert choices(view, editor.document().find("the")) == []
    editor.menu_at(cursor).findChild(QAction, "choice_0").trigger()
    assert view.transcript == "The cap saw ada"
    editor.save_corrections()
    assert model.dictation(number).text == "The cap saw ada"
    assert model.dictation(number).segments[0].words[1].alternatives == ("CAP", "COMMA", "CAT'S")
    # The word that was there is a choice now, and undo takes it back in one step.
    assert choices(view, editor.document().find("cap")) == ["cat", "comma", "cat's"]
    editor.undo()
    assert view.transcript == "The cat saw ada"
    assert choices(view, editor.document().find("cat")) == ["cap", "comma", "cat's"]
    # A dictation from the past knows them too, also where other words of it were corrected.
    replace_word(view, "cat", "bat and a")
    editor.save_corrections()
    editor.show_dictation(model.dictation(number), view._stage())
    assert view.transcript == "The bat and a saw ada"
    assert choices(view, editor.document().find("saw")) == ["sore"]
    assert choices(view, editor.document().find("bat")) == []
    assert choices(view, editor.document().find("ada")) == ["aida"]


def test_choices_are_written_as_their_place_wants_it(view, model):
    words = (Word("CAT", 0, 1, 0.9, ("CAP", "I", "CAT")), Word("TWENTY", 1, 2, 0.9, ("PLENTY",)))
    more = (Word("TWO", 2, 3, 0.9, ("TOO",)), Word("I", 3, 4, 0.9, ("EYE",)))
    model.text_finalized.emit(FinalText(None, 0, "CAT TWENTY TWO I", words + more, 0.0, 4.0))
    assert view.transcript == "Cat 22 I"
    assert choices(view, view.pane.editor.document().find("Cat")) == ["Cap", "I"]
    assert choices(view, view.pane.editor.document().find("22")) == []  # two words made it
    assert choices(view, view.pane.editor.document().find(" I")) == ["eye"]


def test_unsure_words_are_reached_by_key(qtbot, view, model):
    def press(key, modifier=Qt.KeyboardModifier.NoModifier):
        qtbot.keyClick(view.pane.editor, key, modifier)

    editor = view.pane.editor
    view.findChild(QAction, "action_next_unsure").trigger()
    assert "No word is unsure" in view.toast.text
    doubtful(view)
    view.activateWindow()
    for word in ("cat", "ada", "cat"):
        view.findChild(QAction, "action_next_unsure").trigger()
        assert editor.textCursor().selectedText() == word
    press(Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    menu = editor.findChildren(QMenu)[-1]
    assert menu.activeAction().text() == "cap"
    qtbot.keyClick(menu, Qt.Key.Key_Down)
    qtbot.keyClick(menu, Qt.Key.Key_Down)
    qtbot.keyClick(menu, Qt.Key.Key_Return)
    assert view.transcript == "The cat's saw ada"
    # What a person chose is not unsure any more.
    view.findChild(QAction, "action_next_unsure").trigger()
    assert editor.textCursor().selectedText() == "ada"
    view.findChild(QAction, "action_next_unsure").trigger()
    assert editor.textCursor().selectedText() == "ada"


def test_an_edited_word_is_not_the_model_s_any_more(qtbot, view, model):
    doubtful(view)
    editor = view.pane.editor
    view.activateWindow()
    for keys, text in (("dog", "The dog saw ada"), (" or two", "The dog or two saw ada")):
        if keys == "dog":
            assert editor.select_next_unsure()
        qtbot.keyClicks(editor, keys)
        assert view.transcript == text
    word = editor.document().find("dog")
    assert choices(view, word) == []
    assert underlined(view) == ["ada"]
    for _ in range(2):  # the other one is left, and no more
        assert editor.select_next_unsure()
        assert editor.textCursor().selectedText() == "ada"
    # Typed behind a word: that is another word now too.
    place = editor.document().find("saw")
    place.setPosition(place.selectionEnd())
    editor.setTextCursor(place)
    qtbot.keyClicks(editor, "n")
    assert choices(view, editor.document().find("sawn")) == []
    for _ in range(10):
        if view.transcript != "The cat saw ada":
            editor.undo()
    assert view.transcript == "The cat saw ada"
    assert choices(view, editor.document().find("saw")) == ["sore"]
    assert choices(view, editor.document().find("cat")) == ["cap", "comma", "cat's"]
    assert underlined(view) == ["cat", "ada"]


def test_a_mark_has_no_choices(view, model):
    words = (Word("CAT", 0, 1, 0.9, ("CAP",)), Word("COMMA", 1, 2, 0.9, ("COMA",)))
    model.text_finalized.emit(FinalText(None, 0, "CAT COMMA", words, 0.0, 2.0))
    assert view.transcript == "Cat,"
    assert choices(view, view.pane.editor.document().find(",")) == []


def test_clear_forgets_nothing_and_can_be_undone(qtbot, view, model):
    number = stored(view)
    view._clear_button.click()
    assert view.transcript == ""
    view.pane.editor.save_corrections()
    assert model.dictation(number).text == "HELLO WORLD"
    view.toast.findChild(type(view.toast._button), "undo_button").click()
    assert view.transcript == "Hello world"


def test_copy_and_save_take_the_whole_text(view, model, tmp_path):
    assert not view._copy_button.isEnabled()
    model.text_finalized.emit(final("ONE", 0))
    model.text_finalized.emit(final("TWO", 1))
    view._copy_button.click()
    assert QGuiApplication.clipboard().text() == "One\nTwo"
    view.save_text(tmp_path / "text.txt")
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == "One\nTwo\n"
    view.save_text(tmp_path)
    assert "choose another place" in view.notice.text


def test_space_starts_recording_but_types_in_the_text(qtbot, view, model, monkeypatch):
    asked = []
    monkeypatch.setattr(model, "start", lambda: asked.append("start"))
    qtbot.keyClick(view, Qt.Key.Key_Space)
    qtbot.keyClick(view.transport.record_button, Qt.Key.Key_Space)
    assert asked == ["start", "start"]
    model.text_finalized.emit(final("HELLO"))
    view.pane.editor.moveCursor(QTextCursor.MoveOperation.End)
    qtbot.keyClick(view.pane.editor, Qt.Key.Key_Space)
    qtbot.keyClick(view.history.search, Qt.Key.Key_Space)
    assert asked == ["start", "start"]
    assert view.pane.editor.toPlainText() == "Hello "


def test_the_button_follows_the_recording(qtbot, view, model):
    clip = min(model.samples(), key=lambda clip: clip.path.stat().st_size)
    model.start_sample(clip)
    qtbot.waitUntil(lambda: model.state == "listening")
    button = view.transport.record_button
    assert button.isChecked()
    assert button.accessibleName() == "Stop recording"
    assert not view.microphone_picker.isEnabled()
    button.click()
    qtbot.waitUntil(lambda: model.state == "idle")
    assert not button.isChecked()
    assert view.microphone_picker.isEnabled()
    assert view._inspect_button.isEnabled()
    with qtbot.waitSignal(view.inspect_requested) as asked:
        view._inspect_button.click()
    assert asked.args == [str(clip.path)]


def test_lanes_show_the_newest_ten_seconds_on_one_clock(qtbot, view, loaded):
    clip = min(loaded.samples(), key=lambda clip: clip.path.stat().st_size)
    with qtbot.waitSignal(loaded.state_changed, timeout=30_000, check_params_cb=lambda state: state == "idle"):
        loaded.start_sample(clip)
    codes = view.signals.codes
    assert len(codes._code_ids) == pytest.approx(loaded.scope.samples / 320, abs=2)
    assert view.signals.mask_lane._spans
    assert {codes.axis, view.signals.mask_lane.axis} == {view.signals.waveform.axis}
    picture = codes.grab().toImage()
    colours = {picture.pixelColor(x, 10).name() for x in range(90, 400)}
    assert codes.theme.code_colour(int(codes._code_ids[5, 0])).name() in colours


def test_microphones_and_the_lack_of_them(view, model, settings):
    model.microphones_changed.emit(MICROPHONES, "")
    picker = view.microphone_picker
    entries = [picker.itemText(place) for place in range(picker.count())]
    assert entries == ["System microphone (Built-in)", "USB headset", "Built-in"]
    picker.setCurrentIndex(1)
    assert settings.get(MICROPHONE) == "USB headset"
    model.microphones_changed.emit([], "no microphone was found: plug one in")
    assert view.notice.text == "No microphone was found: plug one in."
    assert view.notice.isVisible()
    assert settings.get(MICROPHONE) == "USB headset", "a choice survives that the device is away"
    model.microphones_changed.emit(MICROPHONES, "")
    assert picker.currentText() == "USB headset"
    assert not view.notice.isVisible()


def test_the_picker_shows_the_loaded_model(qtbot, view, loaded):
    assert view.bundle_picker.currentText() == loaded.recognizer.bundle.card.name
    with qtbot.waitSignal(loaded.recognizer_failed, timeout=30_000):
        loaded.use_bundle("/no/such/bundle")
    assert "/no/such/bundle" in view.model_notice.text
    assert view.bundle_picker.currentText() == loaded.recognizer.bundle.card.name


def test_history_lists_searches_opens_and_deletes_with_undo(qtbot, view, model):
    first, second = stored(view, "ALPHA"), stored(view, "BETA")
    view._toggle_history()
    rows = view.history.list.model()
    assert rows.rowCount() == 2
    view.history.search.setText("alp")
    assert rows.rowCount() == 1
    view.history.list.setCurrentIndex(rows.index(0))
    qtbot.keyClick(view.history.list, Qt.Key.Key_Return)
    assert view.transcript == "Alpha"
    view.history.search.clear()
    qtbot.keyClick(view.history.list, Qt.Key.Key_Delete)
    assert [item.id for item in model.history()] == [second]
    view.toast._take_back()
    assert [item.id for item in model.history()] == [second, first]


@pytest.mark.parametrize(
    ("case", "shown"),
    [("sentence", "Then I said I'm in"), ("lower", "then i said i'm in"), ("as is", "THEN I SAID I'M IN")],
)
def test_letters_are_shown_as_chosen(view, model, settings, case, shown):
    settings.set(LETTER_CASE, case)
    model.text_finalized.emit(final("THEN I SAID I'M IN"))
    assert view.transcript == shown


def test_spoken_marks_and_numbers_are_written_and_their_words_stay_at_hand(view, model):
    model.text_finalized.emit(final("I SAW TWENTY ONE DOGS COMMA YES PERIOD AND CATS"))
    assert view.transcript == "I saw 21 dogs, yes. And cats"
    cursor = view.pane.editor.document().find("21")
    assert cursor.charFormat().toolTip() == "TWENTY ONE: 0:02.00 to 0:03.50, confidence 90%"
    model.partial_changed.emit("AND FORTY TWO COMMA", "SCRATCH THAT")
    assert view.pane.partial_text == "And 42, scratch that"


def test_scratch_that_takes_back_the_paragraph_before_and_undo_brings_it_again(view, model):
    model.text_finalized.emit(final("KEEP THIS", 0, dictation=7))
    model.text_finalized.emit(final("FIRST LINE NEW LINE WRONG", 1, dictation=7))
    assert view.transcript == "Keep this\nFirst line\nWrong"
    model.text_finalized.emit(final("SCRATCH THAT", 2, dictation=7))
    assert view.transcript == "Keep this"
    view.pane.editor.undo()
    assert view.transcript == "Keep this\nFirst line\nWrong"
    model.text_finalized.emit(final("SCRATCH THAT MORE", 3, dictation=7))
    assert view.transcript == "Keep this\nMore"


def test_scratch_that_never_reaches_into_another_dictation(view, model):
    model.text_finalized.emit(final("DONE LONG AGO", 0, dictation=6))
    model.text_finalized.emit(final("SCRATCH THAT", 0, dictation=7))
    assert view.transcript == "Done long ago"


def test_the_words_as_recognised_are_one_key_away_and_corrections_stay(qtbot, view, model, settings):
    number = stored(view, "ONE COMMA TWO WURDS")
    replace_word(view, "wurds", "words")
    view.pane.editor.save_corrections()
    assert model.dictation(number).segments[0].corrected_text == "One, two words"
    model.text_finalized.emit(final("TWENTY ONE PERIOD", 1, dictation=number))
    assert view.transcript == "One, two words\n21."
    qtbot.keyClick(view, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert view.transcript == "One, two words\nTWENTY ONE PERIOD"
    assert settings.get(RAW_WORDS)
    view.text_menu.toggle_raw()
    assert view.transcript == "One, two words\n21."
    assert model.dictation(number).segments[0].corrected_text == "One, two words"


def test_every_choice_of_the_text_menu_is_kept_and_shown_at_once(view, model, settings):
    model.text_finalized.emit(final("TWENTY ONE COMMA YES"))
    menu = {action.objectName(): action for action in view.text_menu.menu().actions()}
    menu["text_write_numbers"].trigger()
    assert view.transcript == "Twenty one, yes"
    menu["text_write_marks"].trigger()
    assert view.transcript == "Twenty one comma yes"
    assert (settings.get(WRITE_NUMBERS), settings.get(WRITE_MARKS)) == (False, False)


def test_hotwords_are_names_at_once(qtbot, view, model):
    model.text_finalized.emit(final("I MET ADA LOVELACE"))
    assert view.transcript == "I met ada lovelace"
    view.text_menu.hotwords_requested.emit()
    dialog = view.findChild(HotwordsDialog)
    dialog.editor.setPlainText("Ada Lovelace")
    save = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save)
    qtbot.mouseClick(save, Qt.MouseButton.LeftButton)
    assert view.transcript == "I met Ada Lovelace"
    model.text_finalized.emit(final("ADA LOVELACE SMILED", 1))
    assert view.transcript == "I met Ada Lovelace\nAda Lovelace smiled"


def test_everything_that_takes_the_keyboard_has_a_name(view):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit

    for kind in (QAbstractButton, QComboBox, QLineEdit):
        for widget in view.findChildren(kind):
            if widget.focusPolicy() != Qt.FocusPolicy.NoFocus and widget.isVisible():
                assert widget.accessibleName() or getattr(widget, "text", lambda: "")(), widget
