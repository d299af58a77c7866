"""Builds everything once and connects it: theme, settings, models, screens, window."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QLockFile, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from w2v_studio.assets import data_folder
from w2v_studio.crash import CrashReporter
from w2v_studio.dictation.model import DictationModel
from w2v_studio.dictation.view import DictationView
from w2v_studio.main_window import MainWindow, Screen
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.settings import THEME, Settings
from w2v_studio.theme import Theme

if TYPE_CHECKING:
    from w2v_studio.inspection.model import InspectionModel
    from w2v_studio.models_dialog.dialog import ModelsDialog
    from w2v_studio.training.model import TrainingModel

DICTATE, TRAIN, INSPECT = "Dictate", "Train", "Inspect"


class Studio(QObject):
    """The parts and their connections. `close` ends what runs; training goes on."""

    _crashed = Signal(str)

    def __init__(self, home: Path | None = None, on_first_paint: Callable[[], bool] | None = None) -> None:
        """`home` is the data folder; `on_first_paint` is called then, and closes the window by giving True."""
        super().__init__()
        self.home = data_folder() if home is None else home
        self._on_first_paint = on_first_paint
        self._is_closed = False
        self._lock = self._lock_home()
        self.crash_reporter = CrashReporter(self.home / "crashes", self._crashed.emit)
        self.settings = Settings(self.home / "settings.json")
        self.theme = Theme(self.settings.get(THEME))
        self.dictation = DictationModel(self.settings, self.home)
        self._training: TrainingModel | None = None
        self._inspection: InspectionModel | None = None
        self._models: ModelsDialog | None = None
        self.window = MainWindow(
            self.theme,
            self.settings,
            [
                Screen(DICTATE, "dictate", self._build_dictate),
                Screen(TRAIN, "train", self._build_train),
                Screen(INSPECT, "inspect", self._build_inspect),
            ],
        )
        self._connect()
        self.window.show_screen(DICTATE)

    def close(self) -> None:
        """Keep what is being said, end threads and timers. Harmless twice."""
        self._is_closed = True
        self.dictation.close()
        if self._inspection is not None:
            self._inspection.close()
        if self._training is not None:
            self._training.close()
        if self._models is not None:
            self._models.tasks.close()
        if self._lock is not None:
            self._lock.unlock()

    # -- screens -------------------------------------------------------------------------------------------------

    def _build_dictate(self) -> QWidget:
        view = DictationView(self.dictation, self.theme, self.settings)
        view.inspect_requested.connect(self.inspect)
        view.models_requested.connect(self.show_models)
        return view

    def _build_train(self) -> QWidget:
        from w2v_studio.training.view import TrainingView

        return TrainingView(self.training_model(), self.theme)

    def _build_inspect(self) -> QWidget:
        from w2v_studio.inspection.view import InspectionView

        return InspectionView(self.inspection_model(), self.theme)

    def training_model(self) -> TrainingModel:
        """What the screen Train shows; watches the runs from the first call on."""
        if self._training is None:
            from w2v_studio.training.model import TrainingModel

            self._training = TrainingModel(self.home)
            self._training.bundle_ready.connect(self.use_bundle)
            self._training.bundle_exported.connect(lambda _folder: self.dictation.bundles_changed.emit())
            self._training.problem_found.connect(self.window.status.show_message)
            self._training.open()
        return self._training

    def inspection_model(self) -> InspectionModel:
        """What the screen Inspect shows."""
        if self._inspection is None:
            from w2v_studio.inspection.model import InspectionModel

            self._inspection = InspectionModel()
            if self.dictation.recognizer is not None:
                self._inspection.set_recognizer(self.dictation.recognizer)
            self._inspection.set_last_dictation(self.dictation.last_audio)
            self.dictation.recognizer_ready.connect(self._inspection.set_recognizer)
            self.dictation.recording_finished.connect(self._inspection.set_last_dictation)
        return self._inspection

    # -- between screens -----------------------------------------------------------------------------------------

    def use_bundle(self, folder: str) -> None:
        """Dictate with a model that was just trained."""
        self.dictation.use_bundle(str(folder))
        self.window.show_screen(DICTATE)

    def show_models(self) -> None:
        """The window of models, made when it is first asked for."""
        if self._models is None:
            from w2v_studio.models_dialog.dialog import ModelsDialog

            self._models = ModelsDialog(self.theme, parent=self.window)
            self._models.use_requested.connect(self.use_bundle)
            self._models.models_changed.connect(self.dictation.bundles_changed)
        self._models.refresh()
        self._models.show()
        self._models.raise_()

    def inspect(self, path: str) -> None:
        """Look at a recording."""
        self.window.show_screen(INSPECT)
        self.inspection_model().open_file(path)

    # -- inside --------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        status = self.window.status
        self._crashed.connect(self._show_crash)
        self.dictation.recognizer_loading.connect(lambda name: status.model.set_text(f"Loading {name}".strip()))
        self.dictation.recognizer_ready.connect(self._show_recognizer)
        self.dictation.recognizer_failed.connect(self._show_no_recognizer)
        self.dictation.load_measured.connect(self._show_load)
        self.dictation.state_changed.connect(lambda state: status.load.set_text("") if state == "idle" else None)
        self.window.first_painted.connect(self._after_first_paint)
        self.window.closing.connect(self.close)

    def _after_first_paint(self) -> None:
        """What would have kept the window from opening at once."""
        if self._is_closed:
            return
        self.dictation.load_recognizer()
        self.dictation.refresh_microphones(rescan=False)
        if self._lock is not None:
            recovered = self.dictation.recover()
            if recovered:
                count = f"{len(recovered)} recordings" if len(recovered) > 1 else "a recording"
                self.window.status.show_message(f"{count} that was cut off has been recovered: see past dictations")
        if self.settings.problem:
            self.window.status.show_message(self.settings.problem)
        if self._on_first_paint is not None and self._on_first_paint():
            self.window.close()

    def _show_recognizer(self, recognizer: Recognizer) -> None:
        status = self.window.status
        card = recognizer.bundle.card
        status.model.set_text(card.name, f"{card.description}\n{card.parameters / 1e6:.1f} million parameters".strip())
        reason = recognizer.provider_reason
        status.provider.set_text(recognizer.provider, f"Not on the GPU: {reason}" if reason else "Runs on the GPU")

    def _show_no_recognizer(self, _sentence: str) -> None:
        recognizer = self.dictation.recognizer
        if recognizer is not None:
            self._show_recognizer(recognizer)
        else:
            self.window.status.model.set_text("No model")
            self.window.status.provider.set_text("")

    def _show_load(self, load: float, backlog_s: float) -> None:
        behind = f", {backlog_s:.1f} s behind" if backlog_s >= 1 else ""
        self.window.status.load.set_text(f"{load:.0%} load{behind}", "Processing time per second of sound")

    def _show_crash(self, sentence: str) -> None:
        box = QMessageBox(QMessageBox.Icon.Warning, "w2v studio", sentence, QMessageBox.StandardButton.Ok, self.window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def _lock_home(self) -> QLockFile | None:
        """The lock of the first window on this data folder; None for further ones, which leave its files alone."""
        self.home.mkdir(parents=True, exist_ok=True)
        lock = QLockFile(str(self.home / "studio.lock"))
        lock.setStaleLockTime(0)
        return lock if lock.tryLock(0) else None


def run_studio(argv: Sequence[str], on_first_paint: Callable[[], bool]) -> int:
    """Open the window and stay until it is closed; the exit status."""
    application = QApplication(list(argv))
    application.setApplicationName("w2v-studio")
    application.setApplicationDisplayName("w2v studio")
    application.setDesktopFileName("w2v-studio")
    studio = Studio(on_first_paint=on_first_paint)
    studio.crash_reporter.install()
    # Python sees Ctrl-C only when it runs; the timer lets it
    signal.signal(signal.SIGINT, lambda *_: studio.window.close())
    signal.signal(signal.SIGTERM, lambda *_: studio.window.close())
    waker = QTimer()
    waker.timeout.connect(lambda: None)
    waker.start(300)
    studio.window.show()
    status = application.exec()
    studio.close()
    studio.crash_reporter.uninstall()
    return status
