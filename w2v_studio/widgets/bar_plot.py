"""Bars side by side: how often each code is used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from w2v_studio.theme import Theme


class BarPlot(QWidget):
    """Values of 0 or more as bars, left to right, scaled to the greatest; `bar_clicked(place)` follows a click."""

    bar_clicked = Signal(int)

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._values = np.zeros(0)
        self._tips: Sequence[str] = ()
        self._colours: Sequence[QColor] = ()
        self.setAccessibleName(name)
        self.setMinimumHeight(56)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        theme.changed.connect(self.update)

    def set_values(
        self, values: NDArray[np.floating], tips: Sequence[str] = (), colours: Sequence[QColor] = ()
    ) -> None:
        """Show `values` (N,); `tips` and `colours` name and colour each bar."""
        self._values, self._tips, self._colours = np.asarray(values, float), tips, colours
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Bars over a base line."""
        painter = QPainter(self)
        count, height = len(self._values), self.height() - 2
        painter.setPen(self._theme.colour("border"))
        painter.drawLine(0, height, self.width(), height)
        if count and self._values.max() > 0:
            wide = self.width() / count
            gap = 1.0 if wide >= 4 else 0.0
            for place in np.flatnonzero(self._values).tolist():
                tall = max(self._values[place] / self._values.max() * (height - 4), 1.0)
                colour = self._colours[place] if place < len(self._colours) else self._theme.colour("accent")
                painter.fillRect(QRectF(place * wide, height - tall, max(wide - gap, 1.0), tall), colour)
        painter.end()

    def _place_at(self, x: float) -> int | None:
        place = int(x / max(self.width(), 1) * len(self._values))
        return place if 0 <= place < len(self._values) else None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on a bar."""
        place = self._place_at(event.position().x())
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self.bar_clicked.emit(place)

    def event(self, event: QEvent) -> bool:
        """What the bar under the mouse stands for."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = self._place_at(event.pos().x())
            if place is not None and place < len(self._tips):
                QToolTip.showText(event.globalPos(), self._tips[place], self)
            return True
        return super().event(event)
