import csv

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from w2v_studio.inspection.analysis import occurrences
from w2v_studio.inspection.model import InspectionModel
from w2v_studio.inspection.timeline import letter_name, letter_rows
from w2v_studio.inspection.view import InspectionView
from w2v_studio.theme import Theme


@pytest.fixture
def view(qtbot):
    model = InspectionModel()
    view = InspectionView(model, Theme("light"))
    qtbot.addWidget(view)
    view.resize(1190, 768)
    view.show()
    yield view
    model.close()


@pytest.fixture
def opened(qtbot, view, recognizer, clip_path):
    """A view with an analysed clip of three seconds."""
    model = view._model
    model.set_recognizer(recognizer)
    with qtbot.waitSignal(model.masked_changed, check_params_cb=lambda: model.masked is not None, timeout=20000):
        view.open_file(clip_path)
    qtbot.waitUntil(lambda: model.spectrogram is not None, timeout=20000)
    QApplication.processEvents()
    return view


def test_before_a_file_it_says_what_to_do(view):
    assert view.findChild(object, "inspect_open_first_button").isVisible()
    assert not view.timeline.isVisible()
    assert not view.findChild(object, "inspect_last_button").isEnabled()


def test_a_click_on_a_code_selects_all_its_places(qtbot, opened):
    model, lane = opened._model, opened.timeline.codes
    frame = 60
    x = round(lane.x_of((frame + 0.5) * 0.02))
    qtbot.mouseClick(lane, Qt.MouseButton.LeftButton, pos=QPoint(x, lane.height() * 3 // 4))
    code = int(model.codes.code_ids[frame, 1])
    assert model.selected_code == (1, code)
    places = occurrences(model.codes.code_ids, 1, code)
    assert len(opened.timeline.overlay.marked) == len(places)
    assert opened.timeline.overlay.marked[0] == pytest.approx((places[0][0] * 0.02, places[0][1] * 0.02))
    assert f"code {code}: {len(places)} place" in opened.findChild(object, "selected_code").text()
    assert opened.timeline.pinned_s == pytest.approx(frame * 0.02, abs=0.02)
    qtbot.keyClick(opened.timeline, Qt.Key.Key_Escape)
    assert model.selected_code is None
    assert opened.timeline.overlay.marked == []


def test_a_click_on_a_bar_selects_the_most_used_code(qtbot, opened):
    bars = opened.findChild(object, "code_bars_0")
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(1, 20))
    counts = opened._model.codes.usage.counts[0]
    assert opened._model.selected_code == (0, int(counts.argmax()))
    opened.findChild(object, "codes_sorted").setChecked(False)
    opened._model.clear_code()
    code = int(np.flatnonzero(counts)[-1])
    x = int((code + 0.5) / len(counts) * bars.width())
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(x, 20))
    assert opened._model.selected_code[0] == 0
    assert abs(opened._model.selected_code[1] - code) <= 1


def test_stepping_goes_round_all_places(qtbot, opened):
    model = opened._model
    counts = model.codes.usage.counts[0]
    model.select_code(0, int(counts.argmax()))
    starts = [start for start, _ in model.occurrences]
    opened.timeline.pin(0.0)
    seen = []
    for _ in range(len(starts)):
        opened.findChild(object, "next_occurrence_button").click()
        seen.append(int(opened.timeline.pinned_s / 0.02))
    assert sorted(seen) == starts


def test_arrows_move_frame_by_frame_and_the_readout_follows(qtbot, opened):
    model, timeline, panel = opened._model, opened.timeline, opened.cursor_panel
    timeline.pin(0.0)
    for _ in range(5):
        qtbot.keyClick(timeline, Qt.Key.Key_Right)
    qtbot.keyClick(timeline, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert panel.reading.frame == 15
    assert panel.reading.code_ids == tuple(model.codes.code_ids[15])
    vocabulary = model.recognizer.bundle.vocabulary
    best = int(model.letters.probabilities[15].argmax())
    assert panel.reading.letters[0][0] == letter_name(vocabulary, best)
    assert panel.reading.letters[0][1] == pytest.approx(float(model.letters.probabilities[15].max()))
    assert panel.reading.is_masked == bool(model.mask[15])
    assert "frame 15" in panel.frame.text()
    qtbot.keyClick(timeline, Qt.Key.Key_Left)
    assert panel.reading.frame == 14


def move(widget, x: float) -> None:
    """The mouse goes there: sent straight, as the offscreen platform has no pointer to move."""
    place = QPointF(x, 20)
    none = Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove, place, widget.mapToGlobal(place), none, none, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(widget, event)


def test_the_mouse_moves_the_one_cursor_and_leaving_puts_it_back(qtbot, opened):
    timeline = opened.timeline
    timeline.pin(0.5)
    spectrogram = timeline.spectrogram
    move(spectrogram, spectrogram.x_of(2.01))
    assert opened.cursor_panel.reading.frame == 100
    QApplication.sendEvent(spectrogram, QEvent(QEvent.Type.Leave))
    assert timeline.axis.cursor_s == 0.5


def test_all_lanes_share_one_mapping(opened):
    lefts = {
        plot.mapTo(opened, QPoint(0, 0)).x() + plot.x_of(1.0) for plot in opened.timeline.plots if plot.isVisible()
    }
    assert len(lefts) == 1


def wheel(widget, x: float, steps: int):
    place = QPointF(x, 10)
    return QWheelEvent(
        place,
        widget.mapToGlobal(place),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )


def test_the_wheel_zooms_around_the_mouse_and_zero_shows_all(qtbot, opened):
    timeline, axis = opened.timeline, opened.timeline.axis
    x = timeline.waveform.x_of(1.5)
    QApplication.sendEvent(timeline.waveform, wheel(timeline.waveform, x, 3))
    assert axis.end_s - axis.start_s == pytest.approx(3.0 * 0.8**3)
    assert timeline.waveform.x_of(1.5) == pytest.approx(x)
    qtbot.keyClick(timeline, Qt.Key.Key_0)
    assert (axis.start_s, axis.end_s) == (0.0, 3.0)


def test_shift_drag_selects_what_can_be_heard(qtbot, opened):
    plot = opened.timeline.letters
    button = opened.findChild(object, "play_selection_button")
    assert not button.isEnabled()
    shift = Qt.KeyboardModifier.ShiftModifier
    first, last = round(plot.x_of(1.0)), round(plot.x_of(1.6))
    qtbot.mousePress(plot, Qt.MouseButton.LeftButton, shift, QPoint(first, 50))
    move(plot, last)
    qtbot.mouseRelease(plot, Qt.MouseButton.LeftButton, shift, QPoint(last, 50))
    assert opened.timeline.selection == pytest.approx((1.0, 1.6), abs=0.01)
    assert button.isEnabled()


def test_draw_again_changes_mask_and_letters(qtbot, opened):
    model = opened._model
    before = model.mask.copy()
    opened.findChild(object, "show_masked_button").click()
    with qtbot.waitSignal(model.masked_changed, timeout=20000):
        opened.findChild(object, "draw_mask_button").click()
    assert opened.findChild(object, "mask_seed").value() == model.mask_seed == 1
    assert (model.mask != before).any()
    assert f"{model.mask.mean():.0%} masked" in opened.findChild(object, "mask_rule").text()
    order = letter_rows(model.recognizer.bundle.vocabulary)
    assert np.allclose(opened.timeline.letters._frames, model.masked.letters.probabilities[:, order].T)
    with qtbot.waitSignal(model.masked_changed, timeout=20000):
        opened.findChild(object, "mask_seed").setValue(0)
    assert (model.mask == before).all()
    opened.findChild(object, "show_unmasked_button").click()
    assert np.allclose(opened.timeline.letters._frames, model.letters.probabilities[:, order].T)


def test_a_dropped_file_opens(qtbot, view, clip_path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(clip_path))])
    drop = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    with qtbot.waitSignal(view._model.spectrogram_changed, timeout=20000):
        view.dropEvent(drop)
    assert view.findChild(object, "inspect_name").text() == "clip.wav"
    assert "no model yet" in view.findChild(object, "inspect_status").text()


def test_the_last_dictation_opens(qtbot, view, clip_path):
    view._model.set_last_dictation(clip_path)
    with qtbot.waitSignal(view._model.clip_changed, timeout=20000):
        view.findChild(object, "inspect_last_button").click()


def test_a_file_that_is_no_audio_is_one_sentence(qtbot, view, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with qtbot.waitSignal(view._model.problem_found, timeout=20000):
        view.open_file(path)
    assert view.notice.isVisible()
    assert "cannot be read as audio" in view.notice.text
    assert view.findChild(object, "inspect_status").text() == ""


def test_pages_can_be_turned(qtbot, view, tmp_path, make_sound):
    path = tmp_path / "long.wav"
    soundfile.write(path, make_sound(70.0), 16000)
    with qtbot.waitSignal(view._model.spectrogram_changed, timeout=20000):
        view.open_file(path)
    pages = view.findChild(object, "page_picker")
    assert pages.isVisible()
    assert pages.count() == 2
    assert "page by page" in view.findChild(object, "inspect_status").text()
    with qtbot.waitSignal(view._model.spectrogram_changed, timeout=20000):
        view.heading.after.click()
    assert pages.currentIndex() == 1
    assert view.timeline.axis.start_s == pytest.approx(view._model.clip.pages[1].start_s)


def test_exports(opened, tmp_path):
    opened.export(tmp_path / "screen.png")
    assert QImage(str(tmp_path / "screen.png")).width() >= 1190
    opened.export(tmp_path / "frames.csv")
    with (tmp_path / "frames.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(opened._model.codes.code_ids)
    opened.export(tmp_path / "absent" / "frames.csv")
    assert "was not saved" in opened.notice.text


def lightness(widget) -> float:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    return float(np.frombuffer(image.constBits(), np.uint8).mean())


def test_dark_paints_everything_anew(opened):
    light = [lightness(plot) for plot in opened.timeline.plots]
    opened._theme.set_name("dark")
    QApplication.processEvents()
    dark = [lightness(plot) for plot in opened.timeline.plots]
    assert light[0] > dark[0] + 50
    assert light[-1] > dark[-1] + 50
