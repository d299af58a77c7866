"""One clock for stacked plots: the visible span, its limits and the cursor, in seconds; and the base of such plots."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from w2v_studio.theme import Theme

GUTTER_PX = 88
"""Room at the left of every plot on the axis for its name, equal so that times line up."""
RIGHT_PX = 12
SHORTEST_SPAN_S = 0.05
TICK_STEPS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class TimeAxis(QObject):
    """Shared by plots that show the same recording. `cursor_changed` carries seconds or None."""

    range_changed = Signal(float, float)
    cursor_changed = Signal(object)

    def __init__(self, duration_s: float = 10.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._duration_s = max(duration_s, SHORTEST_SPAN_S)
        self._start_s, self._end_s = 0.0, self._duration_s
        self._cursor_s: float | None = None

    @property
    def start_s(self) -> float:
        """The time at the left edge."""
        return self._start_s

    @property
    def end_s(self) -> float:
        """The time at the right edge."""
        return self._end_s

    @property
    def duration_s(self) -> float:
        """The length of the recording; zooming and panning stay inside."""
        return self._duration_s

    @property
    def cursor_s(self) -> float | None:
        """Where the cursor stands, None where there is none."""
        return self._cursor_s

    def set_duration(self, duration_s: float) -> None:
        """A new recording: all of it is shown and the cursor goes."""
        self._duration_s = max(duration_s, SHORTEST_SPAN_S)
        self.set_cursor(None)
        self.set_range(0.0, self._duration_s)

    def set_range(self, start_s: float, end_s: float) -> None:
        """Show this span as it is (a live view may show time before 0 and beyond the duration)."""
        end_s = max(end_s, start_s + SHORTEST_SPAN_S)
        if (start_s, end_s) != (self._start_s, self._end_s):
            self._start_s, self._end_s = start_s, end_s
            self.range_changed.emit(start_s, end_s)

    def set_cursor(self, time_s: float | None) -> None:
        """Move the cursor of all plots, or remove it with None."""
        if time_s != self._cursor_s:
            self._cursor_s = time_s
            self.cursor_changed.emit(time_s)

    def zoom(self, factor: float, around_s: float) -> None:
        """Make the visible span `factor` times as long, `around_s` staying where it is."""
        span_s = self._end_s - self._start_s
        wanted_s = min(max(span_s * factor, SHORTEST_SPAN_S), self._duration_s)
        share = (around_s - self._start_s) / span_s
        self._set_inside(around_s - share * wanted_s, wanted_s)

    def pan(self, by_s: float) -> None:
        """Move the visible span, inside the recording."""
        self._set_inside(self._start_s + by_s, self._end_s - self._start_s)

    def show_all(self) -> None:
        """Show the whole recording."""
        self.set_range(0.0, self._duration_s)

    def _set_inside(self, start_s: float, span_s: float) -> None:
        start_s = min(max(start_s, 0.0), max(self._duration_s - span_s, 0.0))
        self.set_range(start_s, start_s + span_s)


class TimePlot(QWidget):
    """A strip on a time axis with its name in the gutter. Subclasses paint their content.

    Mouse: moving sets the cursor, a click emits `clicked(time_s)`, dragging pans, Ctrl+wheel or a pinch zooms and a
    sideways wheel pans (both only where `set_navigable(True)`, the default).
    """

    clicked = Signal(float)

    def __init__(self, axis: TimeAxis, theme: Theme, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.axis, self.theme, self.name = axis, theme, name
        self._navigable = True
        self._pressed_at: QPointF | None = None
        self._dragged = False
        self._is_still = False
        self._picture: QPixmap | None = None
        self.setMouseTracking(True)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        axis.range_changed.connect(self.update)
        axis.cursor_changed.connect(self._repaint)
        theme.changed.connect(self.update)

    def set_still(self, is_still: bool) -> None:
        """Keep the content as a picture, so that a moving cursor costs little; for content that seldom changes."""
        self._is_still = is_still
        self.update()

    def update(self, *_: object) -> None:
        """Paint the content anew."""
        self._picture = None
        super().update()

    def _repaint(self) -> None:
        """Paint the cursor anew; the content is as it was."""
        super().update()

    def set_navigable(self, navigable: bool) -> None:
        """Whether the mouse may zoom and pan; off in a view that scrolls by itself."""
        self._navigable = navigable

    def content_rect(self) -> QRectF:
        """Where the time axis lies, without gutter and margin."""
        return QRectF(GUTTER_PX, 0, max(1, self.width() - GUTTER_PX - RIGHT_PX), self.height())

    def x_of(self, time_s: float) -> float:
        """The x position of a time."""
        rect = self.content_rect()
        return rect.left() + (time_s - self.axis.start_s) / (self.axis.end_s - self.axis.start_s) * rect.width()

    def time_of(self, x: float) -> float:
        """The time at an x position."""
        rect = self.content_rect()
        return self.axis.start_s + (x - rect.left()) / rect.width() * (self.axis.end_s - self.axis.start_s)

    def pixels_per_second(self) -> float:
        """The scale of the axis."""
        return self.content_rect().width() / (self.axis.end_s - self.axis.start_s)

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """Paint inside `rect`, which also clips. For subclasses."""

    def paint_gutter(self, painter: QPainter, rect: QRectF) -> None:
        """Paint the name at the left. Subclasses may add labels of rows."""
        painter.setFont(self.theme.font("caption"))
        painter.setPen(self.theme.colour("text_muted"))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        painter.drawText(rect, flags, self.name)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Gutter, content, cursor."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.paint_gutter(painter, QRectF(0, 0, GUTTER_PX - 8, self.height()))
        rect = self.content_rect()
        painter.save()
        painter.setClipRect(rect)
        if self._is_still:
            painter.drawPixmap(0, 0, self._content_picture(rect))
        else:
            self.paint_content(painter, rect)
        if self.axis.cursor_s is not None:
            x = round(self.x_of(self.axis.cursor_s)) + 0.5
            painter.setPen(QPen(self.theme.colour("text", 0.75), 1))
            painter.drawLine(QPointF(x, rect.top()), QPointF(x, rect.bottom()))
        painter.restore()
        painter.end()

    def _content_picture(self, rect: QRectF) -> QPixmap:
        """The content, painted once for each zoom, size and theme."""
        if self._picture is None:
            ratio = self.devicePixelRatioF()
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            self._picture.fill(Qt.GlobalColor.transparent)
            painter = QPainter(self._picture)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setClipRect(rect)
            self.paint_content(painter, rect)
            painter.end()
        return self._picture

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Repaint at the new size."""
        super().resizeEvent(event)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a click or a drag."""
        if event.button() == Qt.MouseButton.LeftButton and event.position().x() >= GUTTER_PX:
            self._pressed_at, self._dragged = event.position(), False
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the cursor, or pan."""
        if self._pressed_at is not None and self._navigable:
            moved = event.position().x() - self._pressed_at.x()
            if self._dragged or abs(moved) > 4:
                self._dragged = True
                self.axis.pan(-moved / self.pixels_per_second())
                self._pressed_at = event.position()
        rect = self.content_rect()
        if rect.left() <= event.position().x() <= rect.right():
            self.axis.set_cursor(self.time_of(event.position().x()))
        super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A press that did not become a drag is a click."""
        if self._pressed_at is not None and not self._dragged:
            self.clicked.emit(self.time_of(event.position().x()))
        self._pressed_at = None
        super().mouseReleaseEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """The cursor goes with the mouse."""
        self.axis.set_cursor(None)
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Ctrl+wheel zooms around the mouse, a sideways wheel (or Shift) pans; the rest scrolls the page."""
        delta = event.angleDelta()
        if not self._navigable:
            event.ignore()
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.axis.zoom(0.8 ** (delta.y() / 120), self.time_of(event.position().x()))
        elif delta.x() or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.axis.pan(-(delta.x() or delta.y()) / 120 * 0.1 * (self.axis.end_s - self.axis.start_s))
        else:
            event.ignore()


class TimeRuler(TimePlot):
    """Ticks and times of the axis; the cursor's time where there is one."""

    def __init__(self, axis: TimeAxis, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(axis, theme, "Time", parent)
        self.setFixedHeight(20)

    def paint_gutter(self, painter: QPainter, rect: QRectF) -> None:
        """The cursor's time."""
        if self.axis.cursor_s is not None:
            painter.setFont(self.theme.font("caption"))
            painter.setPen(self.theme.colour("text_muted"))
            painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter, clock(self.axis.cursor_s, 0.001))

    def paint_content(self, painter: QPainter, rect: QRectF) -> None:
        """Ticks at round times."""
        painter.setFont(self.theme.font("tiny"))
        step_s = tick_step(self.axis.end_s - self.axis.start_s, rect.width() / 72)
        tick = int(max(self.axis.start_s, 0.0) / step_s)
        while (time_s := tick * step_s) <= self.axis.end_s:
            x = round(self.x_of(time_s)) + 0.5
            painter.setPen(self.theme.colour("border"))
            painter.drawLine(QPointF(x, 0), QPointF(x, 4))
            painter.setPen(self.theme.colour("text_muted"))
            place = QRectF(x - 30, 4, 60, 15)
            align = Qt.AlignmentFlag.AlignHCenter
            if place.left() < rect.left() <= x:  # the clip would cut it
                place.moveLeft(rect.left())
                align = Qt.AlignmentFlag.AlignLeft
            elif x <= rect.right() + 1 and rect.right() < place.right():
                place.moveRight(rect.right())
                align = Qt.AlignmentFlag.AlignRight
            painter.drawText(place, align | Qt.AlignmentFlag.AlignVCenter, clock(time_s, step_s))
            tick += 1


def tick_step(span_s: float, most_ticks: float) -> float:
    """The smallest round step that gives no more than `most_ticks` ticks."""
    return next((step for step in TICK_STEPS_S if span_s / step <= max(most_ticks, 1)), TICK_STEPS_S[-1])


def clock(time_s: float, precision_s: float = 1.0) -> str:
    """Seconds as m:ss with as many decimals as `precision_s` needs, e.g. 0:07.25."""
    decimals = 0 if precision_s >= 1 else 1 if precision_s >= 0.1 else 2 if precision_s >= 0.01 else 3
    ticks = round(time_s * 10**decimals)
    minutes, rest = divmod(ticks, 60 * 10**decimals)
    width = 2 + (decimals + 1 if decimals else 0)
    return f"{minutes}:{rest / 10**decimals:0{width}.{decimals}f}"
