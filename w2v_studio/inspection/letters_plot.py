"""Letter probabilities over time, with an alphabet that can be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from w2v_studio.inspection.analysis import Floats
from w2v_studio.theme import Theme
from w2v_studio.widgets.heatmap_plot import HeatmapPlot
from w2v_studio.widgets.time_axis import TimeAxis

STRIDE_S = 0.02
LEAST_ROW_PX = 7.0
COLUMN_PX = 13.0
WIDE_NAME = 2


class LettersPlot(HeatmapPlot):
    """Tokens x frames. Zoomed out, a pixel shows the greatest of its frames: CTC letters last one frame, and a mean
    would wash them out. Names alternate between two columns so that neighbours do not touch.
    """

    def __init__(self, axis: TimeAxis, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(axis, theme, name, colours="accent", parent=parent)
        self._frames: Floats = np.zeros((0, 0), np.float32)
        self._names: Sequence[str] = ()
        self._page_s = 0.0
        self._pooled = 1
        self._likely: frozenset[int] = frozenset()
        axis.range_changed.connect(self._pool)

    def set_letters(self, probabilities: Floats, names: Sequence[str], start_s: float) -> None:
        """Show (tokens, frames), row 0 at the bottom, the first frame at `start_s`."""
        self._frames, self._names, self._page_s = probabilities, names, start_s
        self._likely = frozenset()
        self._pooled = 0
        self._pool()

    def set_likely(self, rows: Sequence[int]) -> None:
        """Stress the names of these rows: the likely letters under the cursor."""
        if frozenset(rows) != self._likely:
            self._likely = frozenset(rows)
            self._repaint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, another number of frames to a pixel."""
        super().resizeEvent(event)
        self._pool()

    def _pool(self, *_: object) -> None:
        frames_per_pixel = 1 / max(self.pixels_per_second() * STRIDE_S, 1e-9)
        size = max(1, 1 << int(np.log2(max(frames_per_pixel, 1)) + 0.5))
        if size == self._pooled:
            return
        self._pooled = size
        self.set_values(pooled(self._frames, size), STRIDE_S * size, self._page_s, 0, 1, self._names)

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """The image, and hairlines that lead from a name to its row."""
        super().paint_content(painter, rect)
        rows = len(self._names)
        if rows and rect.height() / rows >= LEAST_ROW_PX:
            painter.setPen(QPen(self.theme.colour("border", 0.55), 1))
            for row in range(1, rows):
                y = round(rect.bottom() - row / rows * rect.height()) + 0.5
                painter.drawLine(QPointF(rect.left(), y), QPointF(rect.right(), y))

    def paint_gutter(self, painter: QPainter, rect: QRectF) -> None:
        """The alphabet; every second letter one column to the left."""
        painter.setFont(self.theme.font("caption"))
        painter.setPen(self.theme.colour("text_muted"))
        painter.drawText(rect.adjusted(0, 2, 0, 0), Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft, self.name)
        rows = len(self._names)
        if not rows:
            return
        pitch = rect.height() / rows
        every = max(1, int(np.ceil(LEAST_ROW_PX / pitch)))
        painter.setFont(self.theme.font("tiny"))
        for row in range(0, rows, every):
            name = self._names[row]
            painter.setPen(self.theme.colour("accent" if row in self._likely else "text_muted"))
            y = rect.bottom() - (row + 0.5) * pitch
            right = rect.right() - (COLUMN_PX if row // every % 2 and len(name) < WIDE_NAME else 0)
            if len(name) < WIDE_NAME:
                painter.drawText(QRectF(right - COLUMN_PX, y - 8, COLUMN_PX, 16), Qt.AlignmentFlag.AlignCenter, name)
            else:
                place = QRectF(rect.left(), y - 8, right - rect.left(), 16)
                painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, name)


def pooled(values: Floats, size: int) -> Floats:
    """The greatest of every `size` columns of (rows, columns); the last group may be smaller."""
    if size <= 1 or values.shape[1] == 0:
        return values
    result: Floats = np.maximum.reduceat(values, np.arange(0, values.shape[1], size), axis=1)
    return result
