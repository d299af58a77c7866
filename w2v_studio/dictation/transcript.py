"""The text: final paragraphs that can be corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QKeyEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QTextEdit, QWidget

from engine.text.ctc import Word
from w2v_studio.dictation.kept_words import kept_words
from w2v_studio.dictation.model import FinalText
from w2v_studio.dictation.store import Dictation
from w2v_studio.dictation.word_choices import (
    UnsureUnderline,
    choices_at,
    choose,
    mark_word,
    next_unsure,
    written_choices,
)
from w2v_studio.dictation.written import spoken_words, written_segments
from w2v_studio.text_stage.stage import Span, TextStage, Written
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.time_axis import clock

KEY_PROPERTY = QTextFormat.Property.UserProperty + 1
"""On every paragraph: "dictation/segment", which splitting, joining and undoing keep."""
NOT_KEPT = -1
"""Stands for the number of a dictation that is not stored, such as a sample."""
SAVE_DELAY_MS = 500
UNSURE_BELOW = 0.5
"""Words with a lower confidence are underlined."""

Key = tuple[int, int]


@dataclass
class Paragraph:
    """A segment on the screen: what was recognised, and what a person made of it (None: nothing)."""

    key: Key
    words: tuple[Word, ...]
    corrected: str | None = None


class TranscriptEditor(QTextEdit):
    """Final paragraphs, one or more for each segment. As tall as its text.

    `corrected(dictation, segment, text)` follows an edit; `text` is None where it is the model's again.
    """

    corrected = Signal(int, int, object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._paragraphs: list[Paragraph] = []
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
        self._underline = UnsureUnderline(self.document())
        self._save_timer = QTimer(self)
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(SAVE_DELAY_MS)
        self._save_timer.timeout.connect(self.save_corrections)
        self.textChanged.connect(self._on_text_changed)
        theme.changed.connect(self._dress)
        self._dress()

    def append_final(self, final: FinalText, stage: TextStage) -> None:
        """Add the paragraph of a finished segment; a spoken "scratch that" takes earlier ones away."""
        key = (NOT_KEPT if final.dictation is None else final.dictation, final.segment)
        paragraph = Paragraph(key, spoken_words(final.text, final.words))
        written = stage.write(paragraph.words)
        self._paragraphs.append(paragraph)
        self._is_inserting = True
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for _ in range(written.scratched):
            remove_last_paragraph(cursor, final.dictation)
        if written.text.strip():
            self._insert(cursor, paragraph, written, stage)
        cursor.endEditBlock()
        self._is_inserting = False

    def show_dictation(self, dictation: Dictation, stage: TextStage) -> None:
        """Show a past dictation instead of what is here."""
        self.save_corrections()
        self.forget()
        for segment, written in written_segments(stage, dictation):
            words = spoken_words(segment.raw_text, segment.words)
            paragraph = Paragraph((dictation.id, segment.number), words, segment.corrected_text)
            self._paragraphs.append(paragraph)
            self._show(paragraph, written, stage)
        self.document().clearUndoRedoStacks()

    def write_again(self, stage: TextStage) -> None:
        """Write the segments that are on the screen anew, by another stage; corrected ones stay as they are."""
        self.save_corrections()
        shown = self._shown_keys()
        paragraphs = [paragraph for paragraph in self._paragraphs if paragraph.key in shown]
        self.forget()
        for paragraph in paragraphs:
            self._paragraphs.append(paragraph)
            self._show(paragraph, stage.write(paragraph.words), stage)
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
        self._paragraphs.clear()
        self._model_texts.clear()
        self._known_texts.clear()
        self._is_inserting = False

    def save_corrections(self) -> None:
        """Tell what was edited since the last time. A segment whose text was removed altogether keeps what it had."""
        self._save_timer.stop()
        for key, text in self._texts().items():
            if text and self._known_texts.get(key) not in (None, text):
                self._known_texts[key] = text
                corrected = None if text == self._model_texts.get(key) else text
                for paragraph in self._paragraphs:
                    if paragraph.key == key:
                        paragraph.corrected = corrected
                if key[0] != NOT_KEPT:
                    self.corrected.emit(*key, corrected)

    def select_next_unsure(self) -> bool:
        """Select the next word that the model was unsure of; False where there is none."""
        word = next_unsure(self.textCursor())
        if word is None:
            return False
        self.setFocus()
        self.setTextCursor(word)
        return True

    def menu_at(self, cursor: QTextCursor) -> QMenu:
        """What can be done there: what the word may be instead first, then what every text has."""
        menu = self.createStandardContextMenu()
        first = menu.actions()[0]
        for place, text in enumerate(choices_at(cursor)):
            action = menu.addAction(text.replace("&", "&&"))
            action.setObjectName(f"choice_{place}")
            action.triggered.connect(lambda _on=False, text=text: choose(cursor, text))
            menu.insertAction(first, action)
        if menu.actions()[0] is not first:
            menu.insertSeparator(first)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """With the other words that the one there may be."""
        by_keys = event.reason() == QContextMenuEvent.Reason.Keyboard
        cursor = self.textCursor() if by_keys else self.cursorForPosition(event.pos())
        self._open_menu(cursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Alt and the arrow down open the choices of the word at the cursor."""
        # Arrows may count as keys of the keypad.
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.key() == Qt.Key.Key_Down and modifiers == Qt.KeyboardModifier.AltModifier:
            menu = self._open_menu(self.textCursor())
            if choices_at(self.textCursor()):
                menu.setActiveAction(menu.actions()[0])
        else:
            super().keyPressEvent(event)

    def _open_menu(self, cursor: QTextCursor) -> QMenu:
        menu = self.menu_at(cursor)
        menu.popup(self.mapToGlobal(self.cursorRect(cursor).bottomLeft()))
        return menu

    def _show(self, paragraph: Paragraph, written: Written | None, stage: TextStage) -> None:
        """Add a paragraph at the end, unless there is nothing to show of it."""
        if paragraph.corrected is None and (written is None or not written.text.strip()):
            return
        self._is_inserting = True
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        self._insert(cursor, paragraph, written or stage.write(paragraph.words), stage)
        cursor.endEditBlock()
        self._is_inserting = False

    def _insert(self, cursor: QTextCursor, paragraph: Paragraph, written: Written, stage: TextStage) -> None:
        cursor.movePosition(QTextCursor.MoveOperation.End)
        form = QTextBlockFormat()
        form.setLineHeight(145, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        form.setBottomMargin(GRID_PX / 2)
        form.setProperty(KEY_PROPERTY, f"{paragraph.key[0]}/{paragraph.key[1]}")
        if self.document().isEmpty():
            cursor.setBlockFormat(form)
            cursor.setBlockCharFormat(QTextCharFormat())
        else:
            cursor.insertBlock(form, QTextCharFormat())
        pieces = _without_outer_breaks(written, stage)
        if paragraph.corrected is not None:
            for text, place in kept_words([span.text for _, span, _ in pieces], paragraph.corrected):
                cursor.insertText(text, QTextCharFormat() if place is None else span_format(*pieces[place][1:]))
        else:
            for gap, span, choices in pieces:
                cursor.insertText(gap, QTextCharFormat())
                cursor.insertText(span.text, span_format(span, choices))
        shown = " ".join(written.text.split())
        self._model_texts[paragraph.key] = shown
        self._known_texts[paragraph.key] = shown if paragraph.corrected is None else paragraph.corrected

    def _texts(self) -> dict[Key, str]:
        """The text of each segment now, its paragraphs joined."""
        found: dict[Key, list[str]] = {}
        block = self.document().begin()
        while block.isValid():
            key = block_key(block)
            if key is not None:
                found.setdefault(key, []).append(block.text())
            block = block.next()
        return {key: " ".join(" ".join(parts).split()) for key, parts in found.items()}

    def _shown_keys(self) -> set[Key]:
        """The segments that have text on the screen."""
        return {key for key, text in self._texts().items() if text}

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


def block_key(block: QTextBlock) -> Key | None:
    """The segment that a paragraph belongs to."""
    dictation, slash, segment = str(block.blockFormat().property(KEY_PROPERTY) or "").partition("/")
    return (int(dictation), int(segment)) if slash else None


def remove_last_paragraph(cursor: QTextCursor, dictation: int | None) -> None:
    """Remove the last segment of `dictation` that is on the screen, with all its lines."""
    wanted = NOT_KEPT if dictation is None else dictation
    document = cursor.document()
    last = document.lastBlock()
    key = block_key(last)
    if key is None or key[0] != wanted or not document.toPlainText():
        return
    first = last
    while first.previous().isValid() and block_key(first.previous()) == key:
        first = first.previous()
    # The line break before it goes too; where there is none, an empty first line stays.
    cursor.setPosition(max(first.position() - 1, 0))
    cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
    cursor.removeSelectedText()


def _without_outer_breaks(written: Written, stage: TextStage) -> list[tuple[str, Span, tuple[str, ...]]]:
    """The pieces of a paragraph, and what each may be instead; line breaks at its ends say nothing, as paragraphs are

    lines already.
    """
    choices = written_choices(stage, written)
    pieces = [(gap, span, others) for (gap, span), others in zip(written.pieces(), choices, strict=True)]
    while pieces and not pieces[0][1].text.strip():
        pieces.pop(0)
    while pieces and not pieces[-1][1].text.strip():
        pieces.pop()
    return pieces


def span_format(span: Span, choices: Sequence[str] = ()) -> QTextCharFormat:
    """The tooltip of written text: the words behind it, and what it remembers of them.

    `choices` are what it may be instead.
    """
    style = QTextCharFormat()
    spoken = " ".join(word.word for word in span.words)
    said = f"{spoken}: " if spoken.casefold() != span.text.casefold() else ""
    times = f"{clock(span.words[0].start_s, 0.01)} to {clock(span.words[-1].end_s, 0.01)}"
    otherwise = f"; or {', '.join(choices)}" if choices else ""
    style.setToolTip(f"{said}{times}, confidence {span.confidence:.0%}{otherwise}")
    mark_word(style, span.text, choices, is_unsure=span.confidence < UNSURE_BELOW)
    return style
