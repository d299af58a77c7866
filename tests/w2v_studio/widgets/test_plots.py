import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QSignalSpy

from w2v_studio.theme import Theme
from w2v_studio.widgets.card import Notice, as_sentence
from w2v_studio.widgets.curve_plot import CurvePlot
from w2v_studio.widgets.heatmap_plot import HeatmapPlot
from w2v_studio.widgets.lane import CodeLane, Span, SpanLane, readable_on, spans_of_mask
from w2v_studio.widgets.level_meter import LevelMeter
from w2v_studio.widgets.time_axis import GUTTER_PX, RIGHT_PX, TimeAxis, TimeRuler, clock, tick_step
from w2v_studio.widgets.toast import Toast
from w2v_studio.widgets.waveform_plot import WaveformPlot

WIDE = GUTTER_PX + RIGHT_PX + 1000


@pytest.fixture
def theme(qapp):
    return Theme("light")


@pytest.fixture
def axis(qapp):
    return TimeAxis(10.0)


def shown(qtbot, widget, height=100):
    qtbot.addWidget(widget)
    widget.resize(WIDE, height)
    widget.show()
    return widget


def test_zoom_keeps_the_place_and_stays_inside(axis):
    axis.zoom(0.5, 2.0)
    assert (axis.start_s, axis.end_s) == (1.0, 6.0)
    axis.pan(100)
    assert (axis.start_s, axis.end_s) == (5.0, 10.0)
    axis.zoom(100, 7.0)
    assert (axis.start_s, axis.end_s) == (0.0, 10.0)


def test_plots_on_one_axis_share_range_and_cursor(qtbot, axis, theme):
    first = shown(qtbot, WaveformPlot(axis, theme))
    second = shown(qtbot, SpanLane(axis, theme, "Mask"), 24)
    qtbot.mouseMove(first, QPoint(GUTTER_PX + 300, 20))
    assert axis.cursor_s == pytest.approx(3.0, abs=0.02)
    assert second.x_of(axis.cursor_s) == pytest.approx(GUTTER_PX + 300, abs=2)
    axis.set_range(2.0, 4.0)
    assert first.time_of(first.x_of(3.3)) == pytest.approx(3.3)
    assert second.x_of(3.0) == GUTTER_PX + 500


def test_a_click_tells_its_time_and_a_drag_does_not(qtbot, axis, theme):
    plot = shown(qtbot, WaveformPlot(axis, theme))
    axis.set_range(4.0, 6.0)
    spy = QSignalSpy(plot.clicked)
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(GUTTER_PX + 500, 20))
    assert spy.at(0)[0] == pytest.approx(5.0)
    qtbot.mousePress(plot, Qt.MouseButton.LeftButton, pos=QPoint(GUTTER_PX + 500, 20))
    qtbot.mouseMove(plot, QPoint(GUTTER_PX + 400, 20))
    qtbot.mouseRelease(plot, Qt.MouseButton.LeftButton, pos=QPoint(GUTTER_PX + 400, 20))
    assert spy.count() == 1
    assert axis.start_s == pytest.approx(4.2)


def test_a_click_in_silence_is_seen_at_every_zoom(qtbot, axis, theme):
    waveform = np.zeros(160000, np.float32)
    waveform[80000] = 1.0
    plot = shown(qtbot, WaveformPlot(axis, theme))
    plot.set_waveform(waveform)
    for start_s, end_s in ((0.0, 10.0), (4.0, 6.0), (4.99, 5.01)):
        axis.set_range(start_s, end_s)
        picture = plot.grab().toImage()
        ground = picture.pixel(GUTTER_PX + 5, 30)
        high = [x for x in range(GUTTER_PX, WIDE) if picture.pixel(x, 30) != ground]
        assert high, f"the click is lost between {start_s} and {end_s} s"
        assert np.mean(high) == pytest.approx(plot.x_of(5.0), abs=3)


def test_mask_spans_are_the_runs(qtbot, axis, theme):
    mask = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    spans = spans_of_mask(mask, 0.02, start_s=1.0)
    assert [(round(s.start_s, 3), round(s.end_s, 3)) for s in spans] == [(1.0, 1.04), (1.08, 1.1), (1.12, 1.14)]
    assert spans_of_mask(np.zeros(0, bool), 0.02) == []


def test_a_span_is_painted_and_found_where_it_lies(qtbot, axis, theme):
    lane = shown(qtbot, SpanLane(axis, theme, "Words", "accent"), 24)
    lane.set_spans([Span(2.0, 3.0, "hello")])
    assert lane.span_at(2.5).text == "hello"
    assert lane.span_at(3.0) is None
    spy = QSignalSpy(lane.span_clicked)
    qtbot.mouseClick(lane, Qt.MouseButton.LeftButton, pos=QPoint(GUTTER_PX + 250, 10))
    assert spy.at(0)[0].text == "hello"


def test_codes_are_painted_in_their_colours_and_clicked(qtbot, axis, theme):
    codes = np.stack([np.repeat([5, 9], 250), np.repeat([7, 300], 250)], axis=1).astype(np.int64)
    lane = shown(qtbot, CodeLane(axis, theme), 44)
    lane.set_codes(codes)
    picture = lane.grab().toImage()
    for x, y, code in ((100, 5, 5), (900, 5, 9), (100, 38, 7), (900, 38, 300)):
        assert picture.pixelColor(GUTTER_PX + x, y).name() == theme.code_colour(code).name()
    assert lane.code_at(QPointF(GUTTER_PX + 900, 30)) == (450, 1, 300)
    spy = QSignalSpy(lane.code_clicked)
    qtbot.mouseClick(lane, Qt.MouseButton.LeftButton, pos=QPoint(GUTTER_PX + 900, 30))
    assert [*spy.at(0)] == [1, 300]
    lane.set_codes(codes[:, :1], first_frame=100)
    assert lane.code_at(QPointF(GUTTER_PX + 250, 10)) == (125, 0, 5)
    assert lane.code_at(QPointF(GUTTER_PX + 100, 10)) is None


@pytest.mark.parametrize("name", ["light", "dark"])
def test_numbers_on_codes_can_be_read(qapp, name):
    from w2v_studio.theme import contrast

    theme = Theme(name)
    for code in range(320):
        ground = theme.code_colour(code)
        assert contrast(readable_on(ground), ground) >= 4.0


def test_the_heatmap_puts_row_0_below_and_columns_on_the_clock(qtbot, axis, theme):
    values = np.zeros((2, 500), np.float32)
    values[0, 250:] = 1.0
    plot = shown(qtbot, HeatmapPlot(axis, theme))
    plot.set_values(values, 0.02, row_names=("A", "B"))
    picture = plot.grab().toImage()
    empty, full = theme.colour("surface").name(), theme.colour("text").name()
    assert picture.pixelColor(GUTTER_PX + 800, 90).name() == full
    assert picture.pixelColor(GUTTER_PX + 200, 90).name() == empty
    assert picture.pixelColor(GUTTER_PX + 800, 10).name() == empty
    assert plot._text_at(QPointF(GUTTER_PX + 800, 90)) == "A: 1"


def test_the_level_rises_at_once_and_falls_slowly(qtbot, theme):
    meter = shown(qtbot, LevelMeter(theme), 36)
    meter.set_level(-10.0, -20.0)
    assert meter.peak_db == -10.0
    meter.set_level(-60.0, -60.0)
    assert -12 < meter.peak_db < -10
    meter.set_level(0.0, -3.0)
    assert "too loud" in meter.toolTip()
    meter.reset()
    assert meter.peak_db == -60.0


@pytest.mark.parametrize(
    ("time_s", "precision_s", "text"),
    [(0, 1, "0:00"), (7.25, 0.01, "0:07.25"), (59.9996, 0.01, "1:00.00"), (75.4, 1, "1:15"), (3599.95, 0.1, "60:00.0")],
)
def test_clock(time_s, precision_s, text):
    assert clock(time_s, precision_s) == text


def test_ticks_are_round_and_not_too_many(qtbot, axis, theme):
    assert tick_step(10.0, 10) == 1.0
    assert tick_step(10.0, 9) == 2.0
    assert tick_step(1e9, 3) == 1800.0
    shown(qtbot, TimeRuler(axis, theme), 20).grab()


def test_curves_keep_gaps_and_change_with_the_theme(qtbot, theme):
    plot = shown(qtbot, CurvePlot(theme, "Loss"), 200)
    plot.set_series("train", [1, 2, 3, 4], [4.0, None, 2.0, 1.0])
    plot.set_series("valid", [4], [1.5], dashed=True)
    x, y = plot._curves["train"][0].getOriginalDataset()
    assert x.tolist() == [1, 2, 3, 4]
    assert np.isnan(y).tolist() == [False, True, False, False]
    theme.set_name("dark")
    assert theme.series(0).name() in plot._legend_labels["train"].text()
    plot.clear()
    assert plot._curves == {}


def test_a_notice_speaks_in_sentences(qtbot, theme):
    notice = shown(qtbot, Notice(theme), 48)
    notice.say("no microphone was found: plug one in", "warning", "Look again")
    assert notice.text == "No microphone was found: plug one in."
    with qtbot.waitSignal(notice.action_clicked):
        notice._button.click()
    notice.clear()
    assert not notice.isVisible()
    assert as_sentence("Done!") == "Done!"


def test_a_toast_offers_the_way_back(qtbot, theme):
    host = shown(qtbot, Notice(theme), 300)
    toast, undone = Toast(theme, host), []
    toast.say("Deleted", lambda: undone.append(True))
    assert toast.isVisibleTo(host)
    toast._button.click()
    assert undone == [True]
    assert not toast.isVisibleTo(host)
    toast.say("Copied")
    assert not toast._button.isVisibleTo(toast)
