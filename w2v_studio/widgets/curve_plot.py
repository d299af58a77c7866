"""Training curves over steps. Loads pyqtgraph, so import this only where curves are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

import pyqtgraph  # isort: skip  # it binds to the Qt it finds first: after PySide6
from w2v_studio.theme import Theme
from w2v_studio.widgets.card import styled_label


class CurvePlot(QWidget):
    """Named curves with a legend and the values under the mouse; wheel zooms, drag pans, a double click shows all."""

    def __init__(
        self, theme: Theme, title: str, x_label: str = "step", *, log_y: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme, self._x_label = theme, x_label
        self._curves: dict[str, tuple[Any, int, bool]] = {}
        self._points: dict[str, tuple[Any, Any]] = {}
        self._legend = QHBoxLayout()
        self._legend.setSpacing(12)
        self._legend_labels: dict[str, QLabel] = {}
        self._plot = pyqtgraph.PlotWidget()
        self._plot.setAccessibleName(title)
        self._plot.setLogMode(y=log_y)
        self._plot.hideButtons()
        self._plot.setMenuEnabled(False)
        self._plot.getPlotItem().setDownsampling(auto=True, mode="peak")
        self._plot.getPlotItem().setClipToView(True)
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        # laid over the plot, so that values under the mouse move nothing
        self._readout = styled_label("", "caption", self._plot)
        self._readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._readout.setMargin(6)
        self._readout.hide()
        self._cursor = pyqtgraph.InfiniteLine(angle=90, movable=False)
        self._cursor.setVisible(False)
        self._plot.addItem(self._cursor, ignoreBounds=True)
        self._plot.scene().sigMouseMoved.connect(self._follow_mouse)
        self._plot.scene().sigMouseClicked.connect(self._show_all_on_double_click)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(styled_label(title, "label"))
        head.addLayout(self._legend)
        head.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self._plot, 1)
        self.setMinimumHeight(140)
        theme.changed.connect(self._dress)
        self._dress()

    def set_series(self, name: str, xs: Sequence[float], ys: Sequence[float | None], *, dashed: bool = False) -> None:
        """Show a curve, or replace it; None in `ys` leaves a gap."""
        x = np.asarray(xs, float)
        y = np.asarray([np.nan if value is None else value for value in ys], float)
        self._points[name] = (x, y)
        if name not in self._curves:
            curve = self._plot.plot(connect="finite", antialias=True)
            self._curves[name] = (curve, len(self._curves), dashed)
            label = styled_label("", "caption")
            label.setTextFormat(Qt.TextFormat.RichText)
            self._legend_labels[name] = label
            self._legend.addWidget(label)
            self._dress()
        curve = self._curves[name][0]
        curve.setData(x, y)
        # a single point has no line to show
        curve.setSymbol("o" if len(x) == 1 else None)

    def clear(self) -> None:
        """Remove all curves."""
        for curve, _, _ in self._curves.values():
            self._plot.removeItem(curve)
        for label in self._legend_labels.values():
            label.deleteLater()
        self._curves.clear()
        self._points.clear()
        self._legend_labels.clear()
        self._show_readout("", 0.0)
        self.show_all()

    def show_all(self) -> None:
        """Zoom to the data, and follow it as it grows."""
        self._plot.enableAutoRange()

    def leaveEvent(self, event: QEvent) -> None:
        """The values go with the mouse."""
        self._show_readout("", 0.0)
        super().leaveEvent(event)

    def _dress(self) -> None:
        self._plot.setBackground(self._theme.colour("surface"))
        muted, border = self._theme.colour("text_muted"), self._theme.colour("border")
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(pyqtgraph.mkPen(border))
            axis.setTextPen(pyqtgraph.mkPen(muted))
            axis.setTickFont(self._theme.font("tiny"))
            axis.setStyle(tickLength=-4)
        self._plot.showGrid(x=False, y=True, alpha=0.12)
        self._cursor.setPen(pyqtgraph.mkPen(muted))
        ground = self._theme.colour("raised").name()
        self._readout.setStyleSheet(f"background: {ground}; border-radius: 6px;")
        for name, (curve, place, dashed) in self._curves.items():
            colour = self._theme.series(place)
            pen: QPen = pyqtgraph.mkPen(colour, width=2)
            if dashed:
                pen.setStyle(Qt.PenStyle.DashLine)
            curve.setPen(pen)
            curve.setSymbolBrush(colour)
            curve.setSymbolPen(None)
            mark = "╌" if dashed else "━"
            self._legend_labels[name].setText(f'<span style="color:{colour.name()}">{mark}</span> {name}')

    def _follow_mouse(self, place: Any) -> None:
        if not self._plot.sceneBoundingRect().contains(place) or not self._points:
            self._show_readout("", 0.0)
            return
        x = self._plot.getPlotItem().vb.mapSceneToView(place).x()
        parts, nearest_x = [], None
        for name, (xs, ys) in self._points.items():
            if len(xs):
                nearest = int(np.abs(xs - x).argmin())
                nearest_x = xs[nearest] if nearest_x is None else nearest_x
                parts.append(f"{name} {ys[nearest]:.4g}")
        if nearest_x is not None:
            self._cursor.setPos(nearest_x)
            self._show_readout("\n".join([f"{self._x_label} {nearest_x:,.0f}", *parts]), place.x())

    def _show_readout(self, text: str, mouse_x: float) -> None:
        """Values beside the mouse, on the side where there is room; nothing where `text` is empty."""
        self._cursor.setVisible(bool(text))
        self._readout.setVisible(bool(text))
        self._readout.setText(text)
        self._readout.adjustSize()
        width = self._readout.width()
        left = mouse_x - width - 12 if mouse_x > self._plot.width() / 2 else mouse_x + 12
        self._readout.move(round(min(max(left, 0.0), max(0, self._plot.width() - width))), 8)

    def _show_all_on_double_click(self, event: Any) -> None:
        if event.double():
            self.show_all()
