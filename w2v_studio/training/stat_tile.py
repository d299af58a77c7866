"""One number with its name."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from w2v_studio.training.wording import NOTHING
from w2v_studio.widgets.card import styled_label


class StatTile(QFrame):
    """A name above a number; the tooltip says what is measured."""

    def __init__(self, name: str, meaning: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.setToolTip(meaning)
        self._name = styled_label(name, "caption")
        self.value = styled_label(NOTHING, "heading")
        self.value.setAccessibleName(name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 10, 16, 10)
        layout.setSpacing(2)
        layout.addWidget(self._name)
        layout.addWidget(self.value)

    def set_text(self, text: str) -> None:
        """Show a number."""
        if text != self.value.text():
            self.value.setText(text)

    def set_name(self, name: str, meaning: str) -> None:
        """Show another measure."""
        self._name.setText(name)
        self.value.setAccessibleName(name)
        self.setToolTip(meaning)
