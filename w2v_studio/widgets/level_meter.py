"""How loud the input is: a bar for the effective level, a mark that holds the peak, and a word for trouble."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QLinearGradient, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from w2v_studio.theme import Theme

QUIETEST_DB = -60.0
PEAK_FALL_DB = 0.7
"""How far the held peak falls with each update (30 a second: 21 dB/s)."""
GOOD_DB, LOUD_DB, CLIPPED_DB = -40.0, -9.0, -0.2


class LevelMeter(QWidget):
    """Levels in dBFS, from -60 to 0."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._rms_db = self._peak_db = QUIETEST_DB
        self._clipped_for = 0
        self.setObjectName("level_meter")
        self.setAccessibleName("Input level")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """160 x 36."""
        return QSize(160, 36)

    def minimumSizeHint(self) -> QSize:
        """80 x 36."""
        return QSize(80, 36)

    @property
    def peak_db(self) -> float:
        """The held peak."""
        return self._peak_db

    def set_level(self, peak_db: float, rms_db: float) -> None:
        """Show new levels; call it about 30 times a second, the held peak falls with each call."""
        self._peak_db = max(peak_db, self._peak_db - PEAK_FALL_DB, QUIETEST_DB)
        # rises at once and falls slowly, so that the eye can follow
        self._rms_db = max(rms_db, self._rms_db - 1.5, QUIETEST_DB)
        self._clipped_for = 30 if peak_db >= CLIPPED_DB else max(0, self._clipped_for - 1)
        self.setToolTip(f"Peak {self._peak_db:.0f} dBFS" + (", too loud: lower the gain" if self._clipped_for else ""))
        self.update()

    def reset(self) -> None:
        """No input."""
        self._rms_db = self._peak_db = QUIETEST_DB
        self._clipped_for = 0
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Track, bar, peak mark and scale."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(0, self.height() / 2 - 8, self.width(), 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("border"))
        painter.drawRoundedRect(track, 4, 4)
        self._paint_bar(painter, track)
        x = track.left() + _share(self._peak_db) * track.width()
        if self._peak_db > QUIETEST_DB:
            painter.setPen(QPen(self._theme.colour("error" if self._clipped_for else "text_muted"), 2))
            painter.drawLine(QPointF(x - 1, track.top() - 2), QPointF(x - 1, track.bottom() + 2))
        painter.setFont(self._theme.font("tiny"))
        painter.setPen(self._theme.colour("text_muted"))
        for level_db in (-48, -36, -24, -12) if self.width() >= 140 else (-36, -12):
            centre = track.left() + _share(level_db) * track.width()
            place = QRectF(centre - 16, track.bottom() + 2, 32, 12)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, f"−{-level_db}")
        painter.end()

    def _paint_bar(self, painter: QPainter, track: QRectF) -> None:
        if self._rms_db <= QUIETEST_DB:
            return
        gradient = QLinearGradient(track.topLeft(), track.topRight())
        gradient.setColorAt(0.0, self._theme.colour("waveform"))
        gradient.setColorAt(_share(LOUD_DB) - 0.1, self._theme.colour("waveform"))
        gradient.setColorAt(_share(LOUD_DB), self._theme.colour("mask"))
        gradient.setColorAt(1.0, self._theme.colour("error"))
        painter.setBrush(gradient)
        painter.drawRoundedRect(QRectF(track.left(), track.top(), _share(self._rms_db) * track.width(), 8), 4, 4)


def _share(level_db: float) -> float:
    return min(max(1 - level_db / QUIETEST_DB, 0.0), 1.0)
