"""The text: final paragraphs that can be corrected, and below them the words that may still change."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from PySide6.QtCore import QRect, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QResizeEvent, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextFormat
from PySide6.QtWidgets import QLabel, QScrollArea, QSizePolicy, QTextEdit, QVBoxLayout, QWidget

from engine.text.ctc import Word
from w2v_studio.dictation.letter_case import in_case, word_in_case
from w2v_studio.dictation.model import FinalText
from w2v_studio.dictation.store import Dictation
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.card import styled_label
from w2v_studio.widgets.time_axis import clock

KEY_PROPERTY = QTextFormat.Property.UserProperty + 1
"""On every paragraph: "dictation/segment", which splitting, joining and undoing keep."""
SAVE_DELAY_MS = 500
UNSURE_BELOW = 0.5
"""Words with a lower confidence get a dotted underline."""
UNSURE_COLOUR = QColor("#c98a2b")

Key = tuple[int, int]


class TranscriptEditor(QTextEdit):
    """Final paragraphs, one or more for each segment. As tall as its text.

    `corrected(dictation, segment, text)` follows an edit; `text` is None where it is the model's again.
    """

    corrected = Signal(int, int, object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._model_texts: dict[Key, str] = {}
        self._known_texts: dict[Key, str] = {}
        self._is_inserting = False
        self.setObjectName("transcript")
        self.setAccessibleName("Transcript")
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._save_timer = QTimer(self)
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(SAVE_DELAY_MS)
        self._save_timer.timeout.connect(self.save_corrections)
        self.textChanged.connect(self._on_text_changed)
        theme.changed.connect(self._dress)
        self._dress()

    def append_final(self, final: FinalText, case: str) -> None:
        """Add the paragraph of a finished segment."""
        self._append((final.dictation, final.segment), final.text, final.words, case)

    def show_dictation(self, dictation: Dictation, case: str) -> None:
        """Show a past dictation instead of what is here."""
        self.save_corrections()
        self.forget()
        for segment in dictation.segments:
            key = (dictation.id, segment.number)
            if segment.corrected_text is not None:
                self._append(key, segment.raw_text, (), case, corrected=segment.corrected_text)
            elif segment.raw_text:
                self._append(key, segment.raw_text, segment.words, case)
        self.document().clearUndoRedoStacks()

    def clear_text(self) -> None:
        """Remove everything from the view (not from the store); `undo` brings it back."""
        self.save_corrections()
        cursor = QTextCursor(self.document())
        self._is_inserting = True
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.removeSelectedText()
        self._is_inserting = False

    def forget(self) -> None:
        """Remove everything, without a way back."""
        self._is_inserting = True
        with QSignalBlocker(self._save_timer):
            self._save_timer.stop()
        self.document().clear()
        self._model_texts.clear()
        self._known_texts.clear()
        self._is_inserting = False

    def save_corrections(self) -> None:
        """Tell what was edited since the last time. A segment whose text was removed altogether keeps what it had."""
        self._save_timer.stop()
        for key, text in self._texts().items():
            if text and self._known_texts.get(key) not in (None, text):
                self._known_texts[key] = text
                self.corrected.emit(*key, None if text == self._model_texts.get(key) else text)

    def _append(
        self, key: tuple[int | None, int], text: str, words: Sequence[Word], case: str, corrected: str | None = None
    ) -> None:
        self._is_inserting = True
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        paragraph = QTextBlockFormat()
        paragraph.setLineHeight(145, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        paragraph.setBottomMargin(GRID_PX / 2)
        paragraph.setProperty(KEY_PROPERTY, "" if key[0] is None else f"{key[0]}/{key[1]}")
        if self.document().isEmpty():
            cursor.setBlockFormat(paragraph)
            cursor.setBlockCharFormat(QTextCharFormat())
        else:
            cursor.insertBlock(paragraph, QTextCharFormat())
        shown = in_case(text, case)
        if corrected is not None:
            cursor.insertText(corrected, QTextCharFormat())
        elif " ".join(word.word for word in words) == text and words:
            for place, word in enumerate(words):
                if place:
                    cursor.insertText(" ", QTextCharFormat())
                cursor.insertText(word_in_case(word.word, case, is_first=place == 0), word_format(word))
        else:
            cursor.insertText(shown, QTextCharFormat())
        cursor.endEditBlock()
        if key[0] is not None:
            whole = (key[0], key[1])
            self._model_texts[whole] = shown
            self._known_texts[whole] = shown if corrected is None else corrected
        self._is_inserting = False

    def _texts(self) -> dict[Key, str]:
        """The text of each segment now, its paragraphs joined."""
        found: dict[Key, list[str]] = {}
        block = self.document().begin()
        while block.isValid():
            key = block.blockFormat().property(KEY_PROPERTY)
            if key:
                dictation, segment = str(key).split("/")
                found.setdefault((int(dictation), int(segment)), []).append(block.text())
            block = block.next()
        return {key: " ".join(" ".join(parts).split()) for key, parts in found.items()}

    def _on_text_changed(self) -> None:
        if not self._is_inserting:
            self._save_timer.start()

    def _dress(self) -> None:
        self.setFont(self._theme.font("transcript"))
        self.setStyleSheet(f"QTextEdit {{ color: {self._theme.colour('final').name()}; background: transparent; }}")

    def _fit(self) -> None:
        height = math.ceil(self.document().size().height()) + 4
        if height != self.height():
            self.setFixedHeight(height)


def word_format(word: Word) -> QTextCharFormat:
    """The tooltip of a word, and a dotted underline where the model was unsure."""
    style = QTextCharFormat()
    times = f"{clock(word.start_s, 0.01)} to {clock(word.end_s, 0.01)}"
    style.setToolTip(f"{times}, confidence {word.confidence:.0%}")
    if word.confidence < UNSURE_BELOW:
        style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DotLine)
        style.setUnderlineColor(UNSURE_COLOUR)
    return style


class TranscriptPane(QScrollArea):
    """The editor, the running partial text under it, and a hint while both are empty; it follows the newest text."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._partial = ("", "")
        self._is_listening = self._has_model = False
        self.editor = TranscriptEditor(theme)
        self.partial_label = QLabel()
        self.partial_label.setObjectName("partial")
        self.partial_label.setTextFormat(Qt.TextFormat.RichText)
        self.partial_label.setWordWrap(True)
        self._hint = self._build_hint()
        self._page = QWidget()
        column = QVBoxLayout(self._page)
        column.setContentsMargins(0, GRID_PX, 2 * GRID_PX, GRID_PX)
        column.setSpacing(0)
        column.addWidget(self._hint, 1)
        column.addWidget(self.editor)
        column.addWidget(self.partial_label)
        column.addStretch(0)  # takes what the hint leaves
        self.setWidget(self._page)
        self.setWidgetResizable(True)
        self.setFrameShape(self.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.editor.textChanged.connect(self._refresh)
        self.editor.cursorPositionChanged.connect(self._follow_cursor)
        self.verticalScrollBar().rangeChanged.connect(self._follow_end)
        theme.changed.connect(self._dress)
        self._dress()
        self._refresh()

    def set_partial(self, committed: str, unstable: str, case: str) -> None:
        """Show the running segment: committed words muted, unstable ones also slanted and underlined."""
        shown = in_case(f"{committed} {unstable}".strip(), case)
        committed = shown[: len(committed)]
        self._partial = (committed, shown[len(committed) :].strip())
        self._dress()
        self._refresh()

    def set_listening(self, is_listening: bool, has_model: bool) -> None:
        """Whether sound comes in, and whether words can come of it, for the hint."""
        self._is_listening, self._has_model = is_listening, has_model
        self._dress()
        self._refresh()

    @property
    def partial_text(self) -> str:
        """The running segment as plain text."""
        return " ".join(part for part in self._partial if part)

    def _build_hint(self) -> QWidget:
        hint = QWidget()
        column = QVBoxLayout(hint)
        column.setSpacing(GRID_PX)
        column.addStretch(1)
        self._hint_title = styled_label("", "title")
        self._hint_text = styled_label("", "muted")
        for label in (self._hint_title, self._hint_text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
            column.addWidget(label)
        column.addStretch(1)
        return hint

    def _refresh(self) -> None:
        is_empty = self.editor.document().isEmpty()
        self.editor.setVisible(not is_empty)
        self.partial_label.setVisible(bool(self.partial_text))
        self._hint.setVisible(is_empty and not self.partial_text)

    def _dress(self) -> None:
        colour = self._theme.colour("partial").name()
        committed, unstable = (html.escape(part) for part in self._partial)
        self.partial_label.setFont(self._theme.font("transcript"))
        slanted = f'<span style="font-style: italic; text-decoration: underline">{unstable}</span>' if unstable else ""
        gap = " " if committed and unstable else ""
        self.partial_label.setText(f'<span style="color: {colour}">{committed}{gap}{slanted}</span>')
        self.partial_label.setAccessibleName(self.partial_text)
        if self._is_listening:
            self._hint_title.setText("Listening")
            self._hint_text.setText(
                "Speak now. Words appear here while you say them."
                if self._has_model
                else "No model is loaded yet. The sound is kept, and words appear once there is one."
            )
        else:
            self._hint_title.setText("Press Space and speak")
            self._hint_text.setText("Words appear here while you say them. Everything stays on this computer.")

    def _follow_end(self) -> None:
        if not self.editor.hasFocus():
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def _follow_cursor(self) -> None:
        if self.editor.hasFocus():
            place: QRect = self.editor.cursorRect()
            point = self.editor.mapTo(self._page, place.center())
            self.ensureVisible(point.x(), point.y(), 0, place.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The text wraps anew."""
        super().resizeEvent(event)
        self._follow_end()
