"""What stands under the cursor: time, frame, codes, word, and the likeliest letters with and without the mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from w2v_studio.theme import Theme
from w2v_studio.widgets.card import Card, styled_label
from w2v_studio.widgets.time_axis import clock

TOP_LETTERS = 4
ROW_PX = 18
Ranking = Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Reading:
    """One frame: letters as (name, probability), best first; `under_mask` is empty before it is known."""

    time_s: float
    frame: int
    code_ids: tuple[int, ...] = ()
    word: str = ""
    is_masked: bool = False
    letters: Ranking = ()
    under_mask: Ranking = ()


class CursorPanel(Card):
    """Reads a frame out."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setObjectName("inspect_cursor")
        self.reading: Reading | None = None
        self.time = styled_label("–", "title")
        self.time.setObjectName("inspect_time")
        self.frame = styled_label("", "caption")
        self.frame.setObjectName("inspect_frame")
        self.codes = CodeChips(theme)
        self.codes.setObjectName("inspect_codes_here")
        self.word = styled_label("", "label")
        self.word.setObjectName("inspect_word")
        self.letters = LetterBars(theme, "Letters without the mask")
        self.under_mask = LetterBars(theme, "Letters under the mask")
        self._masked_title = styled_label("Under the mask", "caption")
        top = QHBoxLayout()
        top.addWidget(self.time)
        top.addStretch()
        top.addWidget(self.frame, alignment=Qt.AlignmentFlag.AlignBottom)
        self.body.addLayout(top)
        middle = QHBoxLayout()
        middle.setSpacing(12)
        middle.addWidget(self.codes)
        middle.addWidget(self.word, 1, Qt.AlignmentFlag.AlignRight)
        self.body.addLayout(middle)
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(4)
        grid.addWidget(styled_label("Unmasked", "caption"), 0, 0)
        grid.addWidget(self._masked_title, 0, 1)
        grid.addWidget(self.letters, 1, 0)
        grid.addWidget(self.under_mask, 1, 1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)

    def show_reading(self, reading: Reading | None) -> None:
        """Show a frame; None where the cursor is nowhere."""
        self.reading = reading
        if reading is None:
            reading = Reading(0.0, 0)
            self.time.setText("–")
            self.frame.setText("")
        else:
            self.time.setText(clock(reading.time_s, 0.001))
            self.frame.setText(f"frame {reading.frame}")
        self.codes.set_codes(reading.code_ids)
        _set_elided(self.word, reading.word, 124)
        self._masked_title.setText("Masked here" if reading.is_masked else "Beside the mask")
        self.letters.set_letters(reading.letters)
        self.under_mask.set_letters(reading.under_mask, "mask" if reading.is_masked else "accent")


def _set_elided(label: QLabel, text: str, width_px: int) -> None:
    label.setToolTip(text)
    label.setText(label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width_px))


class LetterBars(QWidget):
    """Letter, bar, per cent; the best on top."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._letters: Ranking = ()
        self._role = "accent"
        self.setAccessibleName(name)
        self.setFixedHeight(TOP_LETTERS * ROW_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def set_letters(self, letters: Ranking, colour_role: str = "accent") -> None:
        """Show (name, probability) pairs."""
        self._letters, self._role = letters, colour_role
        self.setAccessibleDescription(", ".join(f"{name} {share:.0%}" for name, share in letters))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A row for each letter."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._theme.font("caption"))
        width = self.width() - 38 - 34
        for row, (name, share) in enumerate(self._letters):
            line = QRectF(0, row * ROW_PX, self.width(), ROW_PX)
            track = QRectF(38, line.center().y() - 3, width, 6)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("raised"))
            painter.drawRoundedRect(track, 3, 3)
            if share >= 0.005:
                painter.setBrush(self._theme.colour(self._role))
                painter.drawRoundedRect(QRectF(track.left(), track.top(), max(6.0, width * share), 6), 3, 3)
            painter.setPen(self._theme.colour("text"))
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
            painter.setPen(self._theme.colour("text_muted"))
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{share:.0%}")
        painter.end()


class CodeChips(QWidget):
    """A chip for the code of each group, in its colour."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._codes: tuple[int, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes shown."""
        return self._codes

    def set_codes(self, codes: tuple[int, ...]) -> None:
        """Show one code a group."""
        self._codes = codes
        self.updateGeometry()
        self.setAccessibleName(", ".join(f"codebook {group + 1}: code {code}" for group, code in enumerate(codes)))
        self.update()

    def sizeHint(self) -> QSize:
        """A chip for each group, two at least."""
        return QSize(68 * max(2, len(self._codes)) - 6, 22)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A dot in the code's colour and its number."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._theme.font("label"))
        for group, code in enumerate(self._codes):
            chip = QRectF(group * 68, 0, 62, 22)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("raised"))
            painter.drawRoundedRect(chip, 11, 11)
            painter.setBrush(self._theme.code_colour(code))
            painter.drawEllipse(QRectF(chip.left() + 8, 6, 10, 10))
            painter.setPen(self._theme.colour("text"))
            painter.drawText(chip.adjusted(24, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, str(code))
        painter.end()
