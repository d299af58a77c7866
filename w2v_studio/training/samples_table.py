"""What was said beside what the model heard, the wrong words marked."""

from __future__ import annotations

import difflib
import html
from collections.abc import Sequence

from PySide6.QtWidgets import QTextEdit, QWidget

from w2v_studio.theme import Theme


class SamplesTable(QTextEdit):
    """Pairs of reference and hypothesis."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("samples_table")
        self.setAccessibleName("Sample transcripts")
        self.setReadOnly(True)
        self._theme = theme
        self._pairs: list[tuple[str, str]] = []
        theme.changed.connect(self._fill)

    def set_pairs(self, pairs: Sequence[Sequence[str]]) -> None:
        """Show these (reference, hypothesis) pairs."""
        new = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
        if new != self._pairs:
            self._pairs = new
            self._fill()

    def _fill(self) -> None:
        muted, error = self._theme.colour("text_muted").name(), self._theme.colour("error").name()
        rows = [
            f"<tr><td style='color:{muted}'>{html.escape(reference)}</td>"
            f"<td>{_marked(reference, hypothesis, error, muted)}</td></tr>"
            for reference, hypothesis in self._pairs
        ]
        head = f"<tr style='color:{muted}'><td width='50%'>Said</td><td width='50%'>Heard</td></tr>"
        self.setHtml(f"<table width='100%' cellpadding='4'>{head}{''.join(rows)}</table>" if rows else "")


def _marked(reference: str, hypothesis: str, error: str, muted: str) -> str:
    """The hypothesis as HTML; words that the reference has otherwise, or not at all, in the colour `error`."""
    wanted, heard = reference.split(), hypothesis.split()
    if not heard:
        return f"<i style='color:{muted}'>nothing</i>"
    parts = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, wanted, heard, autojunk=False).get_opcodes():
        words = html.escape(" ".join(heard[start:end]))
        if words:
            parts.append(words if kind == "equal" else f"<span style='color:{error}'>{words}</span>")
    return " ".join(parts)
