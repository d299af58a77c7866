"""The user's hotwords: names and terms that dictation listens for, edited as plain text."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QVBoxLayout, QWidget

from w2v_studio.recognition.decoding.hotwords_file import own_hotwords_file, read_hotwords
from w2v_studio.recognition.decoding.settings import DecodingError
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.card import Notice, styled_label

EXPLANATION = (
    "Names and terms to listen for, one a line. A number after a tab makes one count more or less than 1. "
    "A short list works best."
)


class HotwordsDialog(QDialog):
    """`saved` follows when the list was stored."""

    saved = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Hotwords")
        self.setObjectName("hotwords_dialog")
        self._path = own_hotwords_file()
        self.notice = Notice(theme)
        self.editor = QPlainTextEdit()
        self.editor.setObjectName("hotwords_editor")
        self.editor.setAccessibleName("Hotwords, one a line")
        self.editor.setPlaceholderText("Ada Lovelace\nwav to vec\t1.5")
        explanation = styled_label(EXPLANATION, "muted")
        explanation.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._save)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX)
        column.addWidget(styled_label("Hotwords", "title"))
        column.addWidget(explanation)
        column.addWidget(self.notice)
        column.addWidget(self.editor, 1)
        column.addWidget(buttons)
        self.resize(460, 420)
        self._load()

    def _load(self) -> None:
        try:
            self.editor.setPlainText(self._path.read_text(encoding="utf-8-sig") if self._path.is_file() else "")
        except (OSError, UnicodeDecodeError) as error:
            self.notice.say(f"{self._path} cannot be read ({error}): saving here replaces it", "warning")

    def _save(self) -> None:
        """Store the text as it was written, if it can be used."""
        text = self.editor.toPlainText().rstrip()
        part = self._path.with_name(self._path.name + ".new")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text + "\n" if text else "", encoding="utf-8")
            read_hotwords(part)
            part.replace(self._path)
        except (DecodingError, OSError) as error:
            part.unlink(missing_ok=True)
            self.notice.say(str(error).replace(str(part), "the list"), "error")
            return
        self.saved.emit()
        self.accept()
