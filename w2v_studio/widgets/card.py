"""Surfaces and text: a rounded card, labels by role, a rule, a notice with its remedy."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from w2v_studio.theme import GRID_PX, Theme


def styled_label(text: str, role: str, parent: QWidget | None = None) -> QLabel:
    """A label in a role of the style sheet: display, title, heading, label, muted, caption, good, warning, error."""
    label = QLabel(text, parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", role)
    return label


def set_role(label: QWidget, role: str) -> None:
    """Change a label's role after it was shown."""
    label.setProperty("role", role)
    label.style().unpolish(label)
    label.style().polish(label)


def rule(parent: QWidget | None = None) -> QFrame:
    """A thin horizontal line."""
    line = QFrame(parent)
    line.setProperty("rule", True)
    return line


class Card(QFrame):
    """A rounded surface with a vertical layout (`body`), and a heading where `title` is given."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        self.body.setSpacing(GRID_PX)
        self.header = QHBoxLayout()
        self.header.setSpacing(GRID_PX)
        if title:
            self.heading = styled_label(title, "heading")
            self.header.addWidget(self.heading)
            self.header.addStretch(1)
            self.body.addLayout(self.header)


class Notice(QFrame):
    """One clear sentence with its remedy, and up to one button; hidden while there is nothing to say."""

    action_clicked = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._kind = "warning"
        self._icon = QLabel()
        self._icon.setFixedSize(20, 20)
        self._label = styled_label("", "body")
        self._label.setWordWrap(True)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._button = QPushButton()
        self._button.clicked.connect(self.action_clicked)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        row.setSpacing(12)
        row.addWidget(self._icon)
        row.addWidget(self._label, 1)
        row.addWidget(self._button)
        self.setVisible(False)
        theme.changed.connect(self._dress)

    @property
    def text(self) -> str:
        """The sentence shown, empty while hidden."""
        return self._label.text()

    def say(self, sentence: str, kind: str = "warning", action: str = "") -> None:
        """Show a sentence; `kind` is info, warning or error; `action` names the button. An empty sentence hides it."""
        self._kind = kind
        sentence = as_sentence(sentence)
        self._label.setText(sentence)
        self._label.setAccessibleName(sentence)
        self._button.setText(action)
        self._button.setVisible(bool(action))
        self.setVisible(bool(sentence))
        self._dress()

    def clear(self) -> None:
        """Say nothing."""
        self.say("")

    def _dress(self) -> None:
        role = {"info": "accent", "warning": "warning", "error": "error"}[self._kind]
        icon = "info" if self._kind == "info" else "alert"
        self._icon.setPixmap(self._theme.pixmap(icon, self._theme.colour(role), 20))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A soft ground in the notice's colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        role = {"info": "accent_soft", "warning": "warning_soft", "error": "error_soft"}[self._kind]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour(role))
        painter.drawRoundedRect(self.rect(), 10, 10)
        painter.end()
        super().paintEvent(event)


def as_sentence(text: str) -> str:
    """An error's text, which begins small and ends bare, as a sentence."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
