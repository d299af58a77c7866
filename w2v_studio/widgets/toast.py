"""A short message over the lower edge of a widget, with a way back; it goes by itself."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from w2v_studio.theme import GRID_PX, Theme

SHOWN_MS = 7000


class Toast(QFrame):
    """Lies over `host`. A new message replaces the one before."""

    def __init__(self, theme: Theme, host: QWidget, bottom_px: int = 3 * GRID_PX) -> None:
        super().__init__(host)
        self._theme, self._host, self._bottom_px = theme, host, bottom_px
        self._undo: Callable[[], None] | None = None
        self.setObjectName("toast")
        self._label = QLabel()
        self._button = QPushButton("Undo")
        self._button.setObjectName("undo_button")
        self._button.setCursor(Qt.CursorShape.PointingHandCursor)
        self._button.clicked.connect(self._take_back)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        row.setSpacing(2 * GRID_PX)
        row.addWidget(self._label)
        row.addWidget(self._button)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        host.installEventFilter(self)
        theme.changed.connect(self._dress)
        self.hide()

    @property
    def text(self) -> str:
        """The message shown last."""
        return self._label.text()

    def say(self, text: str, undo: Callable[[], None] | None = None) -> None:
        """Show a message for seven seconds; `undo` is offered as a button."""
        self._label.setText(text)
        self.setAccessibleName(text)
        self._undo = undo
        self._button.setVisible(undo is not None)
        self._dress()
        self.adjustSize()
        self.setMinimumHeight(44)
        self._place()
        self.show()
        self.raise_()
        self._timer.start(SHOWN_MS)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in place when the host changes its size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A dark pill on light ground, a light one on dark."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("text"))
        painter.drawRoundedRect(self.rect(), 10, 10)
        painter.end()

    def _take_back(self) -> None:
        self.hide()
        if self._undo is not None:
            self._undo()

    def _dress(self) -> None:
        ground = self._theme.colour("surface").name()
        self._label.setStyleSheet(f"color: {ground}; font-weight: 500;")
        self._button.setStyleSheet(
            f"QPushButton {{ color: {ground}; background: transparent; border: 1px solid {ground}; "
            f"border-radius: 6px; padding: 4px 12px; }}"
        )

    def _place(self) -> None:
        left = (self._host.width() - self.width()) // 2
        self.move(left, self._host.height() - self.height() - self._bottom_px)
