"""How recognised words become text: the choices, as a menu on the transcript."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from w2v_studio.actions import COMMANDS, native_keys
from w2v_studio.recognition.decoding.hotwords_file import own_hotwords
from w2v_studio.recognition.decoding.settings import DecodingError
from w2v_studio.settings import DECODING, LETTER_CASE, RAW_WORDS, WRITE_MARKS, WRITE_NUMBERS, Setting, Settings
from w2v_studio.text_stage.rules import TextRules, TextRulesError, rules_for
from w2v_studio.text_stage.stage import RAW, TextOptions
from w2v_studio.theme import Theme
from w2v_studio.widgets.buttons import IconButton

DECODINGS = {
    "auto": "By the model's language model, if it has one",
    "greedy": "Letter by letter (quickest)",
    "beam": "By beam search",
    "lm": "By a language model",
}
CASES = {"sentence": "Capitals where sentences begin", "lower": "Small letters", "as is": "Letters as recognised"}


def text_options(settings: Settings) -> TextOptions:
    """What the text stage is to do."""
    if settings.get(RAW_WORDS):
        return RAW
    marks = settings.get(WRITE_MARKS)
    return TextOptions(settings.get(LETTER_CASE), marks, marks, settings.get(WRITE_NUMBERS))


def language_rules(language: str) -> TextRules:
    """The rules of a language, with the user's hotwords as names; without what cannot be used: dictation goes on."""
    try:
        rules = rules_for(language)
    except TextRulesError:
        rules = TextRules(language)
    try:
        return rules.with_names(hotword.phrase for hotword in own_hotwords())
    except DecodingError:
        return rules


class TextMenu(IconButton):
    """A button with a menu of check marks. `changed` or `decoding_changed` follow a choice, already stored."""

    changed = Signal()
    decoding_changed = Signal()
    hotwords_requested = Signal()

    def __init__(self, theme: Theme, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(theme, "text", "How words become text", parent)
        self.setObjectName("text_menu_button")
        self._settings = settings
        menu = QMenu(self)
        self._marks = self._check(menu, WRITE_MARKS, "Spoken punctuation and commands")
        self._numbers = self._check(menu, WRITE_NUMBERS, "Numbers as digits")
        menu.addSeparator()
        group = QActionGroup(self)
        self._cases = {case: self._case_choice(menu, group, case, text) for case, text in CASES.items()}
        menu.addSeparator()
        self._add_decoding(menu)
        menu.addSeparator()
        command = COMMANDS["raw_words"]
        self._raw = self._check(menu, RAW_WORDS, f"{command.text}\t{native_keys(command.shortcuts[0])}")
        self.setMenu(menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._enable()

    def toggle_raw(self) -> None:
        """Switch between written text and the words as recognised."""
        self._raw.trigger()

    def _add_decoding(self, menu: QMenu) -> None:
        submenu = menu.addMenu("Final words are found")
        group = QActionGroup(self)
        for mode, text in DECODINGS.items():
            action = submenu.addAction(text)
            action.setObjectName(f"decoding_{mode}")
            action.setCheckable(True)
            action.setChecked(self._settings.get(DECODING) == mode)
            action.triggered.connect(lambda _on=False, mode=mode: self._choose_decoding(mode))
            group.addAction(action)
        menu.addAction("Hotwords…", self.hotwords_requested.emit)

    def _choose_decoding(self, mode: str) -> None:
        self._settings.set(DECODING, mode)
        self.decoding_changed.emit()

    def _check(self, menu: QMenu, setting: Setting, text: str) -> QAction:
        action = menu.addAction(text)
        action.setObjectName(f"text_{setting.key}")
        action.setCheckable(True)
        action.setChecked(bool(self._settings.get(setting)))
        action.triggered.connect(lambda is_on=False: self._choose(setting, bool(is_on)))
        return action

    def _case_choice(self, menu: QMenu, group: QActionGroup, case: str, text: str) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(self._settings.get(LETTER_CASE) == case)
        action.triggered.connect(lambda _on=False: self._choose(LETTER_CASE, case))
        group.addAction(action)
        return action

    def _choose(self, setting: Setting, value: str | bool) -> None:
        self._settings.set(setting, value)
        self._enable()
        self.changed.emit()

    def _enable(self) -> None:
        """With the words as recognised, the other choices change nothing."""
        for action in (self._marks, self._numbers, *self._cases.values()):
            action.setEnabled(not self._settings.get(RAW_WORDS))
