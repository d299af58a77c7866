"""All that is known about a page, stacked on one clock with one cursor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.masking import Mask
from engine.text.ctc import Word
from engine.text.vocabulary import Vocabulary
from w2v_studio.inspection.analysis import Floats, Ids, Spectrogram, mask_spans
from w2v_studio.inspection.clip import Clip, Page
from w2v_studio.inspection.letters_plot import STRIDE_S, LettersPlot
from w2v_studio.theme import Theme
from w2v_studio.widgets.heatmap_plot import HeatmapPlot
from w2v_studio.widgets.lane import CodeLane, Span, SpanLane, spans_of_mask
from w2v_studio.widgets.time_axis import TimeAxis, TimePlot, TimeRuler
from w2v_studio.widgets.waveform_plot import WaveformPlot

SHOWN_DB = -70.0
HELP = (
    "Wheel: zoom. Drag: move. Shift+drag: select. Click: put the cursor.\n"
    "Arrow keys: a frame (with Shift ten). Space: play from the cursor. Esc: follow no code."
)
Times = tuple[float, float]
KEY_FRAMES = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class Timeline(QWidget):
    """Waveform, spectrogram, mask, codes, letters, phones, words, clock: one x axis for all.

    The cursor follows the mouse, a click pins it, arrow keys move it frame by frame. The wheel zooms, dragging pans,
    Shift+drag selects.
    """

    cursor_moved = Signal(object)  # seconds or None
    code_clicked = Signal(int, int)  # group, code
    selection_changed = Signal(object)  # (start_s, end_s) or None
    play_requested = Signal()
    released = Signal()  # Escape: no code, no selection

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspect_timeline")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Timeline of the recording")
        self.axis = TimeAxis(parent=self)
        self.waveform = WaveformPlot(self.axis, theme)
        self.spectrogram = HeatmapPlot(
            self.axis, theme, "Spectrogram", colours="accent", row_labels=[(64, "2 kHz"), (128, "4"), (192, "6")]
        )
        self.mask_lane = SpanLane(self.axis, theme, "Mask")
        self.codes = CodeLane(self.axis, theme)
        self.letters = LettersPlot(self.axis, theme, "Letters")
        self.phones = SpanLane(self.axis, theme, "Phones", "accent")
        self.words = SpanLane(self.axis, theme, "Words", "accent")
        self.ruler = TimeRuler(self.axis, theme)
        self.plots: tuple[TimePlot, ...] = (
            self.waveform,
            self.spectrogram,
            self.mask_lane,
            self.codes,
            self.letters,
            self.phones,
            self.words,
            self.ruler,
        )
        self._lay_out()
        self._letter_names: list[str] = []
        self.selection: Times | None = None
        self._page: Page | None = None
        self._pinned_s: float | None = None
        self._selecting_from: float | None = None
        self.overlay = _Overlay(self, theme)
        self.codes.code_clicked.connect(self.code_clicked)
        self.axis.cursor_changed.connect(self._follow_cursor)

    def _lay_out(self) -> None:
        names = ("waveform", "spectrogram", "mask", "codes", "letters", "phones", "words", "ruler")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        stretch = {"waveform": 3, "spectrogram": 4, "letters": 9}
        for name, plot in zip(names, self.plots, strict=True):
            plot.setObjectName(f"inspect_{name}")
            plot.installEventFilter(self)
            plot.set_still(plot is not self.ruler)
            plot.clicked.connect(self.pin)
            column.addWidget(plot, stretch.get(name, 0))
        self.letters.setMinimumHeight(150)
        self.phones.hide()
        for plot in (self.waveform, self.spectrogram):
            plot.setToolTip(HELP)

    # What is shown

    def show_clip(self, clip: Clip) -> None:
        """A new recording, nothing else known about it yet."""
        self.axis.set_duration(clip.duration_s)
        self.waveform.set_waveform(clip.waveform)
        self._pinned_s = None
        self.select(None)

    def show_page(self, page: Page) -> None:
        """Look at this page; lanes are empty until they are set."""
        self._page = page
        self.axis.set_range(page.start_s, page.end_s)
        self.spectrogram.set_values(np.zeros((0, 0), np.float32), 0.01)
        self.select(None)
        self.pin(page.start_s)

    def show_spectrogram(self, picture: Spectrogram) -> None:
        """Decibels; the lowest shown is that of a quiet room in a good recording."""
        self.spectrogram.set_values(picture.decibels, picture.step_s, picture.start_s, low=SHOWN_DB, high=0)

    def show_codes(self, code_ids: Ids | None) -> None:
        """Codes (frames, groups) of the page."""
        first = self._page.first_frame if self._page is not None else 0
        self.codes.set_codes(np.zeros((0, 2), np.int64) if code_ids is None else code_ids, first, STRIDE_S)

    def show_phones(self, phones: Sequence[Word], is_known: bool) -> None:
        """The phones of the words; the lane is there only for a model that knows any."""
        self.phones.setVisible(is_known)
        self.phones.set_spans(_spans_of(phones))

    def show_letters(self, probabilities: Floats | None, words: Sequence[Word], vocabulary: Vocabulary | None) -> None:
        """Probabilities (frames, tokens) of the page, alphabet from top to bottom, and the words."""
        start_s = self._page.start_s if self._page is not None else 0.0
        if probabilities is None or vocabulary is None:
            self.letters.set_letters(np.zeros((0, 0), np.float32), (), start_s)
        else:
            order = letter_rows(vocabulary)
            self._letter_names = names = [letter_name(vocabulary, token) for token in order]
            self.letters.set_letters(np.ascontiguousarray(probabilities[:, order].T), names, start_s)
        self.words.set_spans(_spans_of(words))

    def stress_letters(self, names: Sequence[str]) -> None:
        """Stress these names on the letter axis."""
        self.letters.set_likely([row for row, name in enumerate(self._letter_names) if name in names])

    def show_mask(self, mask: Mask | None) -> None:
        """Masked frames (frames,) of the page, as a lane and over the waveform."""
        start_s = self._page.start_s if self._page is not None else 0.0
        self.mask_lane.set_spans([] if mask is None else spans_of_mask(mask, STRIDE_S, start_s))
        runs = [] if mask is None else mask_spans(mask)
        self.overlay.masked = [(start_s + first * STRIDE_S, start_s + last * STRIDE_S) for first, last in runs]
        self.overlay.update()

    def show_occurrences(self, code: tuple[int, int] | None, runs: Sequence[tuple[int, int]]) -> None:
        """Mark all places of a code: page frames [start, end)."""
        start_s = self._page.start_s if self._page is not None else 0.0
        self.codes.set_highlight(*(code or (None, None)))
        self.overlay.marked = [(start_s + first * STRIDE_S, start_s + last * STRIDE_S) for first, last in runs]
        self.overlay.update()

    def show_position(self, time_s: float | None) -> None:
        """The place that sounds now."""
        self.overlay.position_s = time_s
        self.overlay.update()

    # Cursor, selection, zoom

    @property
    def pinned_s(self) -> float | None:
        """Where the cursor was put by a click or a key."""
        return self._pinned_s

    def pin(self, time_s: float) -> None:
        """Put the cursor here, scrolling where needed."""
        time_s = min(max(time_s, 0.0), self.axis.duration_s)
        self._pinned_s = time_s
        if not self.axis.start_s <= time_s <= self.axis.end_s:
            self.axis.pan(time_s - (self.axis.start_s + self.axis.end_s) / 2)
        self.axis.set_cursor(time_s)

    def select(self, span: Times | None) -> None:
        """Select a stretch of time, or none."""
        if span != self.selection:
            self.selection = span
            self.selection_changed.emit(span)
            self.overlay.update()

    def show_whole_page(self) -> None:
        """Zoom out to the page."""
        if self._page is not None:
            self.axis.set_range(self._page.start_s, self._page.end_s)

    def zoom(self, factor: float) -> None:
        """Make the visible span `factor` times as long, around the cursor where it is in sight."""
        axis = self.axis
        middle = (axis.start_s + axis.end_s) / 2
        cursor = axis.cursor_s
        axis.zoom(factor, cursor if cursor is not None and axis.start_s <= cursor <= axis.end_s else middle)

    @property
    def page(self) -> Page | None:
        """The page that is analysed."""
        return self._page

    def _follow_cursor(self, time_s: float | None) -> None:
        if time_s is None and self._pinned_s is not None:
            self.axis.set_cursor(self._pinned_s)  # the mouse has left: back to where it was put
        else:
            self.cursor_moved.emit(time_s)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move by a frame (Shift: ten), Home and End to the ends, + - 0 zoom, Space plays."""
        key = event.key()
        many = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        if key in KEY_FRAMES:
            self._step(KEY_FRAMES[Qt.Key(key)] * many)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End) and self._page is not None:
            self.pin(self._page.start_s if key == Qt.Key.Key_Home else self._page.end_s - STRIDE_S)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(0.7)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / 0.7)
        elif key == Qt.Key.Key_0:
            self.show_whole_page()
        elif key == Qt.Key.Key_Space:
            self.play_requested.emit()
        elif key == Qt.Key.Key_Escape:
            self.released.emit()
        else:
            super().keyPressEvent(event)

    def _step(self, frames: int) -> None:
        """To the middle of a neighbouring frame: on its edge, rounding would decide which one is meant."""
        place = self._pinned_s if self._pinned_s is not None else self.axis.start_s
        frame = max(0, int(place / STRIDE_S + 1e-6) + frames)
        self.pin((frame + 0.5) * STRIDE_S)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Over every plot: the plain wheel zooms, Shift+drag selects, a press takes the keyboard."""
        if not isinstance(watched, TimePlot):
            return False
        if isinstance(event, QWheelEvent) and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            return self._zoom_with_wheel(watched, event)
        if isinstance(event, QMouseEvent):
            return self._select_with_mouse(watched, event)
        return False

    def _zoom_with_wheel(self, plot: TimePlot, event: QWheelEvent) -> bool:
        delta = event.angleDelta()
        if abs(delta.x()) > abs(delta.y()):
            return False
        self.axis.zoom(0.8 ** (delta.y() / 120), plot.time_of(event.position().x()))
        return True

    def _select_with_mouse(self, plot: TimePlot, event: QMouseEvent) -> bool:
        time_s = min(max(plot.time_of(event.position().x()), 0.0), self.axis.duration_s)
        kind = event.type()
        if kind == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._selecting_from = time_s
                return True
            return False
        if self._selecting_from is None:
            return False
        if kind == QEvent.Type.MouseMove:
            self.axis.set_cursor(time_s)
            self.select((min(self._selecting_from, time_s), max(self._selecting_from, time_s)))
        elif kind == QEvent.Type.MouseButtonRelease:
            if abs(time_s - self._selecting_from) < STRIDE_S / 2:
                self.select(None)
            self._selecting_from = None
        return True

    def resizeEvent(self, _event: QResizeEvent) -> None:
        """The overlay covers everything."""
        self.overlay.setGeometry(self.rect())


class _Overlay(QWidget):
    """Bands and lines over the whole stack; the mouse does not see it."""

    def __init__(self, timeline: Timeline, theme: Theme) -> None:
        super().__init__(timeline)
        self._timeline, self._theme = timeline, theme
        self.masked: list[Times] = []
        self.marked: list[Times] = []
        self.position_s: float | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        timeline.axis.range_changed.connect(self.update)
        timeline.axis.cursor_changed.connect(self.update)
        theme.changed.connect(self.update)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Masked frames over the waveform, the places of a code, the selection, what sounds, what is not analysed."""
        timeline, theme = self._timeline, self._theme
        content = timeline.waveform.content_rect()
        whole = QRectF(content.left(), 0, content.width(), timeline.ruler.geometry().top())
        waveform = QRectF(timeline.waveform.geometry()).intersected(whole)
        painter = QPainter(self)
        painter.setClipRect(whole)
        self._bands(painter, self.masked, waveform, theme.colour("mask", 0.30))
        self._bands(painter, self.marked, whole, theme.colour("accent", 0.16))
        if timeline.selection is not None:
            self._bands(painter, [timeline.selection], whole, theme.colour("text", 0.10))
        self._dim_outside(painter, whole)
        self._join_cursor(painter, whole)
        if self.position_s is not None:
            x = round(timeline.waveform.x_of(self.position_s)) + 0.5
            painter.setPen(QPen(theme.colour("accent"), 2))
            painter.drawLine(QPointF(x, whole.top()), QPointF(x, whole.bottom()))
        painter.end()

    def _bands(self, painter: QPainter, spans: Sequence[Times], rect: QRectF, colour: QColor) -> None:
        plot, axis = self._timeline.waveform, self._timeline.axis
        for start_s, end_s in spans:
            if end_s >= axis.start_s and start_s <= axis.end_s:
                left = plot.x_of(start_s)
                width = max(plot.x_of(end_s) - left, 1.0)
                painter.fillRect(QRectF(left, rect.top(), width, rect.height()), colour)

    def _join_cursor(self, painter: QPainter, whole: QRectF) -> None:
        """The plots draw the cursor; this draws it in the gaps between them."""
        plots, cursor_s = self._timeline.plots, self._timeline.axis.cursor_s
        if cursor_s is None:
            return
        x = round(self._timeline.waveform.x_of(cursor_s))
        for upper, lower in pairwise(plots):
            top = upper.geometry().bottom() + 1
            gap = QRectF(x, top, 1, lower.geometry().top() - top)
            painter.fillRect(gap.intersected(whole), self._theme.colour("text", 0.75))

    def _dim_outside(self, painter: QPainter, rect: QRectF) -> None:
        """Other pages are there to be seen, not analysed."""
        page = self._timeline.page
        if page is None:
            return
        outside = [(0.0, page.start_s), (page.end_s, self._timeline.axis.duration_s)]
        spans = [span for span in outside if span[1] - span[0] > STRIDE_S]
        self._bands(painter, spans, rect, self._theme.colour("background", 0.7))


def _spans_of(words: Sequence[Word]) -> list[Span]:
    return [Span(word.start_s, word.end_s, word.word, _told(word), word.confidence) for word in words]


def _told(word: Word) -> str:
    otherwise = f"\nor {', '.join(word.alternatives)}" if word.alternatives else ""
    return f"{word.word}  {word.confidence:.0%}{otherwise}"


def letter_rows(vocabulary: Vocabulary) -> list[int]:
    """Token ids from bottom to top: blank, space, the letters from last to first. Other specials are left out."""
    special = {vocabulary.tokens[vocabulary.blank], vocabulary.separator, *vocabulary.specials}
    letters = sorted((token for token in vocabulary.tokens if token not in special), reverse=True)
    letters.sort(key=str.isalpha)  # signs below the letters
    spaces = [vocabulary.separator] if vocabulary.separator in vocabulary.tokens else []
    return [vocabulary.blank, *(vocabulary.tokens.index(token) for token in (*spaces, *letters))]


def letter_name(vocabulary: Vocabulary, token: int) -> str:
    """How a token is called on the screen."""
    if token == vocabulary.blank:
        return "blank"
    name = vocabulary.tokens[token]
    return "space" if name == vocabulary.separator else name
