"""Thin strips on the time axis: spans (the mask, words) and codes of each codebook group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QToolTip, QWidget

from w2v_studio.theme import Theme, contrast
from w2v_studio.widgets.time_axis import TimeAxis, TimePlot


@dataclass(frozen=True)
class Span:
    """A stretch of a lane; `text` is drawn where it fits, `tip` shown under the mouse, `strength` 0 to 1."""

    start_s: float
    end_s: float
    text: str = ""
    tip: str = ""
    strength: float = 1.0


def spans_of_mask(mask: NDArray[np.bool_], stride_s: float, start_s: float = 0.0) -> list[Span]:
    """One span for each run of True in `mask` (frames,), the first frame at `start_s`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [Span(start_s + first * stride_s, start_s + last * stride_s) for first, last in pairs]


class SpanLane(TimePlot):
    """Rounded bars in one colour: masked frames, words, stretches of speech."""

    span_clicked = Signal(object)

    def __init__(
        self, axis: TimeAxis, theme: Theme, name: str, colour_role: str = "mask", parent: QWidget | None = None
    ) -> None:
        super().__init__(axis, theme, name, parent)
        self._role = colour_role
        self._spans: list[Span] = []
        self.setFixedHeight(24)
        self.clicked.connect(self._emit_span)

    def set_spans(self, spans: Sequence[Span]) -> None:
        """Show these spans."""
        self._spans = list(spans)
        self.update()

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """A track, the bars on it, their texts where they fit."""
        track = rect.adjusted(0, 3, 0, -3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme.colour("raised"))
        painter.drawRoundedRect(track, 4, 4)
        painter.setFont(self.theme.font("caption"))
        metrics = QFontMetricsF(painter.font())
        written_to = rect.left() - 8
        for span in self._spans:
            left, right = self.x_of(span.start_s), self.x_of(span.end_s)
            if right < rect.left() or left > rect.right():
                continue
            bar = QRectF(left, track.top(), max(right - left, 1.0), track.height())
            has_text = bool(span.text)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.theme.colour(self._role, (0.2 if has_text else 0.85) * (0.35 + 0.65 * span.strength)))
            painter.drawRoundedRect(bar, 3, 3)
            width = metrics.horizontalAdvance(span.text)
            # A little over the edge still reads well, but not over the text before.
            if has_text and width <= bar.width() + 8 and bar.center().x() - width / 2 >= written_to:
                painter.setPen(self.theme.colour("text"))
                painter.drawText(bar.adjusted(-4, 0, 4, 0), Qt.AlignmentFlag.AlignCenter, span.text)
                written_to = bar.center().x() + width / 2

    def span_at(self, time_s: float) -> Span | None:
        """The span at a time, None between spans."""
        return next((span for span in self._spans if span.start_s <= time_s < span.end_s), None)

    def _emit_span(self, time_s: float) -> None:
        span = self.span_at(time_s)
        if span is not None:
            self.span_clicked.emit(span)

    def event(self, event: QEvent) -> bool:
        """The tip of the span under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            span = self.span_at(self.time_of(event.pos().x()))
            if span is not None and (span.tip or span.text):
                QToolTip.showText(event.globalPos(), span.tip or span.text, self)
                return True
        return super().event(event)


class CodeLane(TimePlot):
    """Codes of the quantizer, one row a group: a colour for each code, its number where it fits.

    `code_clicked(group, code)` follows a click; `set_highlight` dims all other codes.
    """

    code_clicked = Signal(int, int)

    def __init__(self, axis: TimeAxis, theme: Theme, groups: int = 2, parent: QWidget | None = None) -> None:
        super().__init__(axis, theme, "Codes", parent)
        self._groups = groups
        self._code_ids = np.zeros((0, groups), np.int64)
        self._first_frame = 0
        self._stride_s = 0.02
        self._highlight: tuple[int, int] | None = None
        self._hint = "Codes the quantizer chose, one row for each codebook group"
        self._resize_rows()

    def set_codes(self, code_ids: NDArray[np.int64], first_frame: int = 0, stride_s: float = 0.02) -> None:
        """Show (frames, groups) codes; frame f begins at f x `stride_s`."""
        if code_ids.ndim == 2 and code_ids.shape[1] != self._groups:
            self._groups = code_ids.shape[1]
            self._resize_rows()
        self._code_ids, self._first_frame, self._stride_s = code_ids, first_frame, stride_s
        self.update()

    def set_highlight(self, group: int | None, code: int | None = None) -> None:
        """Dim all but one code of one group; None shows all alike."""
        self._highlight = None if group is None or code is None else (group, code)
        self.update()

    def code_at(self, point: QPointF) -> tuple[int, int, int] | None:
        """(frame, group, code) under a point, or None."""
        frame = int(self.time_of(point.x()) / self._stride_s) - self._first_frame
        group = int(point.y() / max(self.height(), 1) * self._groups)
        if not (0 <= frame < len(self._code_ids) and 0 <= group < self._groups):
            return None
        return frame + self._first_frame, group, int(self._code_ids[frame, group])

    def _resize_rows(self) -> None:
        self.setFixedHeight(max(2, self._groups) * 22)

    def paint_gutter(self, painter: QPainter, rect: QRectF) -> None:
        """The name of each group."""
        painter.setFont(self.theme.font("caption"))
        painter.setPen(self.theme.colour("text_muted"))
        height = rect.height() / self._groups
        for group in range(self._groups):
            row = QRectF(rect.left(), group * height, rect.width(), height)
            painter.drawText(row, Qt.AlignmentFlag.AlignVCenter, f"Codebook {group + 1}")

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """Runs of equal codes as blocks."""
        first = max(0, int(self.axis.start_s / self._stride_s) - self._first_frame - 1)
        last = min(len(self._code_ids), int(self.axis.end_s / self._stride_s) - self._first_frame + 2)
        height = rect.height() / self._groups
        track_height = height - 4
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme.colour("raised"))
        for group in range(self._groups):
            painter.drawRoundedRect(QRectF(rect.left(), group * height + 2, rect.width(), track_height), 4, 4)
        if last <= first:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setFont(self.theme.font("tiny"))
        scale = self.pixels_per_second() * self._stride_s
        origin = self.x_of(self._first_frame * self._stride_s)
        for group in range(self._groups):
            codes = self._code_ids[first:last, group]
            edges = np.flatnonzero(np.diff(codes)) + 1
            starts = np.concatenate(([0], edges))
            ends = np.concatenate((edges, [len(codes)]))
            for start, end in zip((starts + first).tolist(), (ends + first).tolist(), strict=True):
                block = QRectF(origin + start * scale, group * height + 2, (end - start) * scale, track_height)
                self._paint_block(painter, block, group, int(self._code_ids[start, group]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)

    def _paint_block(self, painter: QPainter, block: QRectF, group: int, code: int) -> None:
        colour = self.theme.code_colour(code)
        if self._highlight is not None and self._highlight != (group, code):
            colour.setAlphaF(0.15)
        painter.fillRect(block, colour)
        if block.width() >= 20 and colour.alphaF() > 0.5:
            painter.setPen(readable_on(colour))
            painter.drawText(block, Qt.AlignmentFlag.AlignCenter, str(code))

    def event(self, event: QEvent) -> bool:
        """Which code stands under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            found = self.code_at(QPointF(event.pos()))
            if found is None:
                QToolTip.showText(event.globalPos(), self._hint, self)
            else:
                frame, group, code = found
                time_s = frame * self._stride_s
                text = f"Codebook {group + 1}, code {code}\n{time_s:.2f} s, frame {frame}"
                QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on a code."""
        was_drag = self._dragged
        super().mouseReleaseEvent(event)
        found = self.code_at(event.position())
        if found is not None and not was_drag and event.position().x() >= self.content_rect().left():
            self.code_clicked.emit(found[1], found[2])


def readable_on(ground: QColor) -> QColor:
    """Black or white, whichever stands out more."""
    black, white = QColor("#0e1213"), QColor("#ffffff")
    return black if contrast(black, ground) >= contrast(white, ground) else white
