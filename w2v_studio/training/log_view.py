"""The end of a text file that grows."""

from __future__ import annotations

from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QPlainTextEdit, QWidget


class LogView(QPlainTextEdit):
    """Shows a log's tail. It follows the end, unless a person scrolled up to read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_log")
        self.setAccessibleName("Log")
        self.setReadOnly(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(12)
        self.document().setDefaultFont(font)
        self._text = ""

    def set_text(self, text: str) -> None:
        """Show this tail."""
        if text == self._text:
            return
        self._text = text
        bar = self.verticalScrollBar()
        follows, place = bar.value() >= bar.maximum() - 2, bar.value()
        self.setPlainText(text.rstrip("\n"))
        bar.setValue(bar.maximum() if follows else place)
