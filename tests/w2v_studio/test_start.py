"""Starting the program where it cannot open a window, crash reports, and the window as a whole."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from w2v_studio.crash import KEPT_REPORTS, CrashReporter, write_report
from w2v_studio.dictation.view import DictationView
from w2v_studio.display import display_obstacle, explain_missing
from w2v_studio.settings import THEME, WINDOW_GEOMETRY, Settings
from w2v_studio.studio import DICTATE, INSPECT, TRAIN, Studio

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland")


def start(home: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    return subprocess.run(
        [sys.executable, "-m", "w2v_studio"],
        cwd=ROOT,
        env={**kept, "W2V_STUDIO_HOME": str(home), **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@LINUX
@pytest.mark.parametrize("changes", [{}, {"DISPLAY": ":4711"}])
def test_no_display_is_one_sentence_with_the_remedy(tmp_path, changes):
    done = start(tmp_path, **changes)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("w2v-studio: ")
    assert "display" in line
    assert "w2v-studio transcribe" in line


def test_the_window_starts_says_how_long_it_took_and_ends(tmp_path):
    done = start(tmp_path, QT_QPA_PLATFORM="offscreen", W2V_STUDIO_STARTUP_TIME="quit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("window painted after ")
    assert "Traceback" not in done.stderr


@LINUX
def test_other_platforms_are_left_to_qt():
    assert display_obstacle({"QT_QPA_PLATFORM": "offscreen"}) == ""
    assert display_obstacle({"WAYLAND_DISPLAY": "wayland-0"}) == ""
    assert "no display" in display_obstacle({"WAYLAND_DISPLAY": "wayland-0", "QT_QPA_PLATFORM": "xcb"})


def test_a_missing_library_names_its_package():
    sentence = explain_missing("libxcb-cursor.so.0: cannot open shared object file: No such file or directory")
    assert "libxcb-cursor.so.0 is missing" in sentence
    assert "sudo apt-get install libxcb-cursor0" in sentence
    assert "libodd.so.3" in explain_missing("libodd.so.3: cannot open shared object file: No such file or directory")


def test_a_crash_leaves_a_report_and_a_sentence(tmp_path, capsys):
    said: list[str] = []
    reporter = CrashReporter(tmp_path / "crashes", said.append)
    reporter.install()
    try:
        thread = threading.Thread(target=lambda: {}["missing"])
        thread.start()
        thread.join()
        try:
            raise RuntimeError("odd")
        except RuntimeError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        reporter.uninstall()
    assert len(said) == 2
    for sentence, what in zip(said, ("KeyError", "RuntimeError: odd"), strict=True):
        path = Path(sentence.rpartition(" ")[2].rstrip("."))
        assert what.split(":")[0] in sentence
        assert what in path.read_text(encoding="utf-8")
        assert "Traceback" in path.read_text(encoding="utf-8")
    assert sys.excepthook is sys.__excepthook__
    capsys.readouterr()


def test_only_the_newest_reports_are_kept(tmp_path):
    paths = [write_report(tmp_path, ValueError(str(number))) for number in range(KEPT_REPORTS + 5)]
    assert sorted(tmp_path.iterdir()) == sorted(paths[5:])


@pytest.fixture
def studio(qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path))
    built = Studio(tmp_path)
    qtbot.addWidget(built.window)
    built.window.show()
    yield built
    built.close()


def test_screens_are_built_when_they_are_first_shown(qtbot, studio):
    window = studio.window
    assert window.current_screen == DICTATE
    assert window.stack.count() == 1
    for place, name in enumerate((DICTATE, TRAIN, INSPECT)):
        window._rail_buttons.button(place).click()
        assert window.current_screen == name
    assert window.stack.count() == 3
    assert studio.inspection_model() is studio.inspection_model()


def test_a_recording_is_handed_from_dictate_to_inspect(qtbot, studio):
    clip = studio.dictation.samples()[0]
    view = studio.window.screen_widget(DICTATE)
    assert isinstance(view, DictationView)
    with qtbot.waitSignal(studio.inspection_model().clip_changed, timeout=30_000):
        view.inspect_requested.emit(str(clip.path))
    assert studio.window.current_screen == INSPECT


def test_a_trained_model_is_taken_to_dictate(qtbot, studio, small_bundle):
    studio.window.show_screen(TRAIN)
    with qtbot.waitSignal(studio.dictation.recognizer_ready, timeout=60_000):
        studio.training_model().bundle_ready.emit(str(small_bundle))
        qtbot.waitUntil(
            lambda: (
                studio.dictation.recognizer is not None and studio.dictation.recognizer.bundle.folder == small_bundle
            ),
            timeout=60_000,
        )
    assert studio.window.current_screen == DICTATE
    assert studio.window.status.model.text == studio.dictation.recognizer.bundle.card.name
    assert studio.window.status.provider.text == studio.dictation.recognizer.provider
    assert studio.dictation.recognizer.provider in ("CPU", "CUDA")


def test_theme_and_geometry_are_kept(qtbot, studio, tmp_path):
    before = studio.theme.name
    studio.window.resize(1100, 700)
    qtbot.mouseClick(studio.window._theme_button, Qt.MouseButton.LeftButton)
    assert studio.theme.name != before
    studio.window.close()
    kept = Settings(tmp_path / "settings.json")
    assert kept.get(THEME) == studio.theme.name
    assert kept.get(WINDOW_GEOMETRY)


def test_a_second_window_leaves_running_recordings_alone(qtbot, studio, tmp_path):
    assert studio._lock is not None
    second = Studio(tmp_path)
    try:
        assert second._lock is None
    finally:
        second.close()


def test_the_window_fits_a_small_screen(qtbot, studio):
    studio.window.resize(1000, 640)
    assert (studio.window.width(), studio.window.height()) == (1000, 640)
    hint = studio.window.screen_widget(DICTATE).minimumSizeHint()
    assert hint.width() <= 1000 - 88
    assert hint.height() <= 640 - 32
