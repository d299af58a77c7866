"""The transcript as it is seen: final paragraphs, the running words under them, and a hint while there are none."""

from __future__ import annotations

import html
from dataclasses import replace

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from w2v_studio.dictation.transcript import TranscriptEditor
from w2v_studio.text_stage.stage import TextStage
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.card import styled_label


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

    def set_partial(self, committed: str, unstable: str, stage: TextStage) -> None:
        """Show the running segment: committed words muted, unstable ones also slanted and underlined.

        Commands are shown as they were said: they are carried out when the segment is final.
        """
        literal = TextStage(stage.rules, replace(stage.options, commands=False))
        settled, pieces = len(committed.split()), list(literal.write_text(f"{committed} {unstable}").pieces())
        parts, seen = ["", ""], 0
        for gap, span in pieces:
            seen += len(span.words)
            parts[seen > settled] += gap + span.text
        self._partial = (parts[0].strip(), parts[1].strip(" "))
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
