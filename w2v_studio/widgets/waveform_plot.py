"""A waveform as its envelope: the least and greatest sample under each pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from w2v_studio.theme import Theme
from w2v_studio.widgets.time_axis import TimeAxis, TimePlot

Samples = NDArray[np.float32]


def envelope(waveform: Samples, bin_samples: int) -> tuple[Samples, Samples]:
    """The least and the greatest sample in each whole bin of `bin_samples`."""
    whole = len(waveform) // bin_samples * bin_samples
    bins = waveform[:whole].reshape(-1, bin_samples)
    return bins.min(axis=1), bins.max(axis=1)


class WaveformPlot(TimePlot):
    """Shows samples in -1 to 1, drawn larger where they are quiet (`gain`), at any length and zoom."""

    def __init__(self, axis: TimeAxis, theme: Theme, name: str = "Waveform", parent: QWidget | None = None) -> None:
        super().__init__(axis, theme, name, parent)
        empty = np.zeros(0, np.float32)
        self._levels: list[tuple[float, Samples, Samples]] = []  # seconds a bin, minima, maxima; finest first
        self._start_s = 0.0
        self._gain = 1.0
        self._levels = [(0.01, empty, empty)]
        self.setMinimumHeight(48)

    def set_waveform(self, waveform: Samples, sample_rate: int = 16000) -> None:
        """Show float32 samples (N,), the first at time 0; quiet recordings are drawn larger."""
        waveform = np.asarray(waveform, np.float32)
        self._start_s = 0.0
        self._levels = [(1 / sample_rate, waveform, waveform)]
        bin_samples = 16
        while len(waveform) // bin_samples > 256:
            self._levels.append((bin_samples / sample_rate, *envelope(waveform, bin_samples)))
            bin_samples *= 4
        peak = float(np.abs(waveform).max()) if len(waveform) else 0.0
        self._gain = min(0.95 / peak, 20.0) if peak > 0 else 1.0
        self.update()

    def set_envelope(self, minima: Samples, maxima: Samples, bin_s: float, start_s: float, gain: float = 1.0) -> None:
        """Show a ready envelope, the first bin at `start_s`; for live audio."""
        self._levels, self._start_s, self._gain = [(bin_s, minima, maxima)], start_s, gain
        self.update()

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """The envelope as one filled shape over a middle line."""
        middle = rect.center().y()
        painter.setPen(QPen(self.theme.colour("border"), 1))
        painter.drawLine(QPointF(rect.left(), middle), QPointF(rect.right(), middle))
        shape = self._shape(rect)
        if shape is None:
            return
        painter.setPen(Qt.PenStyle.NoPen)  # an outline of so jagged a shape takes five times as long to draw
        painter.setBrush(self.theme.colour("waveform"))
        painter.drawPolygon(shape)

    def _shape(self, rect: QRectF) -> QPolygonF | None:
        """Upper edge from left to right, lower edge back."""
        pixel_s = 1 / self.pixels_per_second()
        bin_s, minima, maxima = next(
            (level for level in reversed(self._levels) if level[0] <= pixel_s), self._levels[0]
        )
        first = max(0, int((self.axis.start_s - self._start_s) / bin_s) - 1)
        last = min(len(minima), int((self.axis.end_s - self._start_s) / bin_s) + 2)
        if last - first < 1:
            return None
        per_point = max(1, int(pixel_s / bin_s))
        first -= first % per_point  # bins stay together while the view scrolls, or the shape would flicker
        low, high = minima[first:last], maxima[first:last]
        if per_point > 1:
            places = np.arange(0, len(low), per_point)
            low, high = np.minimum.reduceat(low, places), np.maximum.reduceat(high, places)
        times = self._start_s + (first + np.arange(len(low)) * per_point) * bin_s
        xs = rect.left() + (times - self.axis.start_s) / pixel_s
        half = rect.height() / 2 - 3
        scale = half * self._gain
        middle = rect.center().y()
        upper = middle - np.clip(high * scale, -half, half) - 0.5  # a pixel thick at least
        lower = middle - np.clip(low * scale, -half, half) + 0.5
        points = [QPointF(x, y) for x, y in zip(xs.tolist(), upper.tolist(), strict=True)]
        points += [QPointF(x, y) for x, y in zip(xs[::-1].tolist(), lower[::-1].tolist(), strict=True)]
        return QPolygonF(points)
