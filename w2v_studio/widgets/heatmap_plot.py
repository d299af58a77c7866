"""An image on the time axis: spectrograms, letter probabilities, attention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QPainter
from PySide6.QtWidgets import QToolTip, QWidget

from w2v_studio.theme import Theme
from w2v_studio.widgets.time_axis import TimeAxis, TimePlot

# Colours at even steps from least to greatest. `heat` is perceptually even (after matplotlib's inferno); `accent`
# goes from the surface to the theme's accent, so that empty regions vanish.
HEAT = ("#000004", "#210c4a", "#56106e", "#89226a", "#bb3654", "#e35933", "#f98c0a", "#f9c932", "#fcffa4")


def colour_table(colours: Sequence[QColor]) -> list[int]:
    """256 ARGB values between `colours` at even steps."""
    anchors = np.array([[c.red(), c.green(), c.blue()] for c in colours], float)
    places = np.linspace(0, len(colours) - 1, 256)
    channels = [np.interp(places, np.arange(len(colours)), anchors[:, i]).round().astype(int) for i in range(3)]
    return [QColor(int(r), int(g), int(b)).rgb() for r, g, b in zip(*channels, strict=True)]


class HeatmapPlot(TimePlot):
    """Values (rows, columns) as colours, row 0 at the bottom, columns on the axis."""

    def __init__(
        self,
        axis: TimeAxis,
        theme: Theme,
        name: str = "",
        colours: str = "accent",
        row_labels: Sequence[tuple[float, str]] = (),
        parent: QWidget | None = None,
    ) -> None:
        """`colours` is heat or accent; `row_labels` are (row, text), drawn at the row's middle."""
        super().__init__(axis, theme, name, parent)
        self._colours = colours
        self._row_labels = list(row_labels)
        self._values = np.zeros((0, 0), np.float32)
        self._start_s, self._column_s = 0.0, 0.02
        self._low, self._high = 0.0, 1.0
        self._image: QImage | None = None
        self._row_names: Sequence[str] = ()
        self.setMinimumHeight(64)
        theme.changed.connect(self._recolour)

    def set_values(
        self,
        values: NDArray[np.floating],
        column_s: float,
        start_s: float = 0.0,
        low: float | None = None,
        high: float | None = None,
        row_names: Sequence[str] = (),
    ) -> None:
        """Show (rows, columns) values; `low` and `high` map to the first and last colour (default: their extremes).

        `row_names` name all rows for the tooltip.
        """
        self._values = np.asarray(values, np.float32)
        self._column_s, self._start_s, self._row_names = column_s, start_s, row_names
        has_values = self._values.size > 0
        self._low = low if low is not None else float(self._values.min()) if has_values else 0.0
        self._high = high if high is not None else float(self._values.max()) if has_values else 1.0
        self._render()

    def set_row_labels(self, labels: Sequence[tuple[float, str]]) -> None:
        """(row, text) pairs drawn in the gutter."""
        self._row_labels = list(labels)
        self.update()

    def _render(self) -> None:
        if self._values.size == 0:
            self._image = None
        else:
            span = max(self._high - self._low, 1e-12)
            grey = (np.clip((self._values[::-1] - self._low) / span, 0, 1) * 255).astype(np.uint8)
            grey = np.ascontiguousarray(grey)
            rows, columns = grey.shape
            # copy(): the image must own its pixels, numpy's go with this call
            self._image = QImage(grey.data, columns, rows, columns, QImage.Format.Format_Indexed8).copy()
            self._image.setColorTable(self._table())
        self.update()

    def _recolour(self) -> None:
        if self._image is not None:
            self._image.setColorTable(self._table())
        self.update()

    def _table(self) -> list[int]:
        if self._colours == "heat":
            return colour_table([QColor(name) for name in HEAT])
        return colour_table([self.theme.colour("surface"), self.theme.colour("accent"), self.theme.colour("text")])

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """The visible columns, stretched to the rectangle."""
        if self._image is None:
            return
        columns = self._image.width()
        first = (self.axis.start_s - self._start_s) / self._column_s
        last = (self.axis.end_s - self._start_s) / self._column_s
        left, right = max(0, int(first)), min(columns, int(last) + 1)
        if right <= left:
            return
        x_left = self.x_of(self._start_s + left * self._column_s)
        x_right = self.x_of(self._start_s + right * self._column_s)
        smooth = (right - left) > rect.width() or self._image.height() > rect.height()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(
            QRectF(x_left, rect.top(), x_right - x_left, rect.height()),
            self._image,
            QRectF(left, 0, right - left, self._image.height()),
        )

    def paint_gutter(self, painter: QPainter, rect: QRectF) -> None:
        """The name, and labels of rows at its right."""
        painter.setFont(self.theme.font("caption"))
        painter.setPen(self.theme.colour("text_muted"))
        top = rect.adjusted(0, 2, 0, 0)
        flags = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        painter.drawText(top, flags, self.name)
        rows = len(self._values)
        if not rows:
            return
        painter.setFont(self.theme.font("tiny"))
        for row, text in self._row_labels:
            y = rect.bottom() - (row + 0.5) / rows * rect.height()
            y = min(max(y, rect.top() + 7), rect.bottom() - 7)
            place = QRectF(rect.left(), y - 7, rect.width(), 14)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    def event(self, event: QEvent) -> bool:
        """A tooltip with the value under the mouse, where rows have names."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self._row_names:
            text = self._text_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), text, self) if text else QToolTip.hideText()
            return True
        return super().event(event)

    def _text_at(self, point: QPointF) -> str:
        rows, columns = self._values.shape
        rect = self.content_rect()
        column = int((self.time_of(point.x()) - self._start_s) / self._column_s)
        row = int((rect.bottom() - point.y()) / rect.height() * rows)
        if not (0 <= column < columns and 0 <= row < min(rows, len(self._row_names))):
            return ""
        return f"{self._row_names[row]}: {self._values[row, column]:.3g}"
