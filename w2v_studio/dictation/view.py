"""The screen Dictate: what is said, while it is said."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeyEvent, QShowEvent, QStandardItemModel
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from w2v_studio.actions import COMMANDS, make_action
from w2v_studio.assets import bundled_models_folder
from w2v_studio.audio.devices import InputDevice
from w2v_studio.dictation.history_panel import HistoryPanel
from w2v_studio.dictation.hotwords_dialog import HotwordsDialog
from w2v_studio.dictation.model import DictationModel, FinalText, SampleClip
from w2v_studio.dictation.signals_card import SignalsCard
from w2v_studio.dictation.text_menu import TextMenu, language_rules, text_options
from w2v_studio.dictation.transcript_pane import TranscriptPane
from w2v_studio.dictation.transport import Transport
from w2v_studio.models.published import published_models
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.settings import LETTER_CASE, OFFER_SEEN, SHOW_HISTORY, Settings
from w2v_studio.text_stage.stage import TextStage
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.buttons import IconButton, Picker
from w2v_studio.widgets.card import Card, Notice
from w2v_studio.widgets.level_meter import QUIETEST_DB, LevelMeter
from w2v_studio.widgets.toast import Toast

REFRESH_MS = 33
TOAST_BOTTOM_PX = 112
"""Above the record button."""
SYSTEM_MICROPHONE = "System microphone"
OTHER_BUNDLE = "Open a model folder…"
MORE_MODELS = "More models…"


class DictationView(QWidget):
    """Pickers and level above, the transcript in the middle, lanes and the record button below."""

    title = "Dictate"
    icon_name = "dictate"

    inspect_requested = Signal(str)
    """The path of a recording to look at."""
    models_requested = Signal()

    def __init__(self, model: DictationModel, theme: Theme, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._theme, self._settings = model, theme, settings
        self._sample: SampleClip | None = None
        self.microphone_picker = Picker(theme, "microphone", "Microphone")
        self.microphone_picker.setObjectName("microphone_picker")
        self.bundle_picker = Picker(theme, "model", "Model")
        self.bundle_picker.setObjectName("bundle_picker")
        self.refresh_button = self._command_button("refresh_microphones", lambda: model.refresh_microphones())
        self.level_meter = LevelMeter(theme)
        self.notice = Notice(theme)
        self.notice.setObjectName("notice")
        self.model_notice = Notice(theme)
        self.offer = Notice(theme)
        self.model_notice.setObjectName("model_notice")
        self.pane = TranscriptPane(theme)
        self.signals = SignalsCard(theme)
        self.transport = Transport(theme, model.samples())
        self.history = HistoryPanel(theme)
        self._text_stage: TextStage | None = None
        self._language = ""
        self._build()
        self.toast = Toast(theme, self, bottom_px=TOAST_BOTTOM_PX)
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        self._connect()
        self._list_bundles()
        self._list_microphones([], "")
        self._show_history(bool(settings.get(SHOW_HISTORY)))
        self._show_state(model.state)
        if model.store_problem:
            self.notice.say(model.store_problem)

    @property
    def transcript(self) -> str:
        """The final text on the screen."""
        return self.pane.editor.toPlainText()

    # -- building ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(GRID_PX)
        top.addWidget(self.microphone_picker, 4)
        top.addWidget(self.refresh_button)
        top.addSpacing(GRID_PX)
        top.addWidget(self.bundle_picker, 3)
        top.addSpacing(2 * GRID_PX)
        top.addWidget(self.level_meter, 3)
        self._history_button = self._command_button("history", self._toggle_history)
        self._history_button.setCheckable(True)
        top.addWidget(self._history_button)
        column = QVBoxLayout()
        column.setSpacing(2 * GRID_PX)
        column.addLayout(top)
        column.addWidget(self.notice)
        column.addWidget(self.model_notice)
        column.addWidget(self.offer)
        column.addWidget(self._build_transcript_card(), 1)
        column.addWidget(self.signals)
        column.addWidget(self.transport)
        row = QHBoxLayout(self)
        row.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, GRID_PX)
        row.setSpacing(2 * GRID_PX)
        row.addLayout(column, 1)
        row.addWidget(self.history)

    def _build_transcript_card(self) -> Card:
        card = Card("Transcript")
        card.body.setContentsMargins(16, 8, 8, 8)
        card.body.setSpacing(0)
        card.setMinimumHeight(120)
        self._inspect_button = self._command_button("inspect_last", self._inspect_last)
        self._inspect_button.setObjectName("inspect_last_button")
        self._copy_button = self._command_button("copy_all", self._copy_all)
        self._copy_button.setObjectName("copy_button")
        self._save_button = self._command_button("save_text", self._save_text)
        self._clear_button = self._command_button("clear", self._clear)
        self._clear_button.setObjectName("clear_button")
        self.text_menu = TextMenu(self._theme, self._settings)
        self.text_menu.changed.connect(self._write_again)
        self.text_menu.decoding_changed.connect(self._model.decode_anew)
        self.text_menu.hotwords_requested.connect(self._edit_hotwords)
        make_action("raw_words", self._theme, self).triggered.connect(self.text_menu.toggle_raw)
        for button in (
            self.text_menu,
            self._inspect_button,
            self._copy_button,
            self._save_button,
            self._clear_button,
        ):
            card.header.addWidget(button)
        card.body.addWidget(self.pane, 1)
        return card

    def _command_button(self, name: str, run: object) -> IconButton:
        """An icon button and an action with the command's shortcuts, both of which do `run`."""
        command = COMMANDS[name]
        button = IconButton(self._theme, command.icon, command.text)
        button.setToolTip(command.tooltip)
        action = make_action(name, self._theme, self)
        action.triggered.connect(lambda _checked=False: run())  # type: ignore[operator]
        button.clicked.connect(lambda _checked=False: run())  # type: ignore[operator]
        return button

    def _connect(self) -> None:
        model = self._model
        make_action("record", self._theme, self).triggered.connect(self._toggle)
        make_action("sample", self._theme, self).triggered.connect(self.transport.sample_button.click)
        make_action("next_unsure", self._theme, self).triggered.connect(self._next_unsure)
        make_action("search_history", self._theme, self).triggered.connect(self._search_history)
        self.transport.record_button.clicked.connect(self._toggle)
        self.transport.sample_chosen.connect(self._play_sample)
        self.microphone_picker.currentIndexChanged.connect(self._choose_microphone)
        self.bundle_picker.currentIndexChanged.connect(self._choose_bundle)
        self.bundle_picker.activated.connect(self._open_bundle_folder)
        self.notice.action_clicked.connect(lambda: model.refresh_microphones())
        self.offer.action_clicked.connect(self._take_offer)
        make_action("models", self._theme, self).triggered.connect(self.models_requested)
        self.model_notice.action_clicked.connect(lambda: model.use_bundle(""))
        self.pane.editor.corrected.connect(model.correct)
        self.pane.editor.textChanged.connect(self._enable_buttons)
        self.history.search_changed.connect(self._list_history)
        self.history.open_requested.connect(self._open_dictation)
        self.history.inspect_requested.connect(self._inspect_dictation)
        self.history.delete_requested.connect(self._delete_dictation)
        model.state_changed.connect(self._show_state)
        model.partial_changed.connect(self._show_partial)
        model.text_finalized.connect(self._append_final)
        model.failed.connect(self._show_failure)
        model.microphones_changed.connect(self._list_microphones)
        model.bundles_changed.connect(self._list_bundles)
        model.recognizer_loading.connect(self._show_loading)
        model.recognizer_ready.connect(self._show_ready)
        model.recognizer_failed.connect(self._show_model_failure)
        model.slow_changed.connect(self._show_slowness)
        model.history_changed.connect(self._list_history)

    # -- commands ------------------------------------------------------------------------------------------------

    def _toggle(self) -> None:
        if not self._model.is_recording:
            self._sample = None
        self._model.toggle()

    def _play_sample(self, clip: SampleClip) -> None:
        if self._model.state == "idle":
            self._sample = clip
            self.transport.record_button.setFocus()  # Space stops it; the button that was clicked goes grey
            self._model.start_sample(clip)

    def _choose_microphone(self, place: int) -> None:
        if place >= 0:
            self._model.choose_microphone(str(self.microphone_picker.itemData(place) or ""))

    def _choose_bundle(self, place: int) -> None:
        folder = self.bundle_picker.itemData(place)
        if folder:
            self._model.use_bundle(str(folder))

    def _open_bundle_folder(self, place: int) -> None:
        """The last entries; only a choice by hand opens a window, not passing by with the arrow keys."""
        if self.bundle_picker.itemText(place) == MORE_MODELS:
            self._list_bundles()
            self.models_requested.emit()
        elif self.bundle_picker.itemText(place) == OTHER_BUNDLE:
            folder = QFileDialog.getExistingDirectory(self, "Open a model folder", str(Path.home()))
            self._list_bundles()
            if folder:
                self._model.use_bundle(folder)

    def _copy_all(self) -> None:
        if self.transcript:
            QGuiApplication.clipboard().setText(self.transcript)
            self.toast.say("Copied")

    def _save_text(self) -> None:
        if not self.transcript:
            return
        name, _ = QFileDialog.getSaveFileName(self, "Save the transcript", "dictation.txt", "Text (*.txt)")
        if name:
            self.save_text(Path(name))

    def save_text(self, path: Path) -> None:
        """Write the transcript as UTF-8 text."""
        try:
            path.write_text(self.transcript + "\n", encoding="utf-8")
        except OSError as error:
            self._show_failure(f"the text cannot be saved as {path} ({error.strerror}): choose another place")
            return
        self.toast.say(f"Saved as {path.name}")

    def _clear(self) -> None:
        if self.transcript:
            self.pane.editor.clear_text()
            self.toast.say("Transcript cleared", self.pane.editor.undo)

    def _inspect_last(self) -> None:
        if self._model.last_audio is not None and self._model.state == "idle":
            self.inspect_requested.emit(str(self._model.last_audio))

    def _inspect_dictation(self, number: int) -> None:
        dictation = self._model.dictation(number)
        if dictation is not None:
            self.inspect_requested.emit(str(dictation.audio_path))

    def _open_dictation(self, number: int) -> None:
        dictation = self._model.dictation(number)
        if dictation is not None and self._model.state == "idle":
            self.pane.editor.show_dictation(dictation, self._stage())
            self.pane.editor.setFocus()

    def _delete_dictation(self, number: int) -> None:
        self._model.delete(number)
        self.toast.say("Dictation deleted", lambda: self._model.restore(number))

    def _toggle_history(self) -> None:
        self._show_history(not self.history.isVisibleTo(self))

    def _show_history(self, is_shown: bool) -> None:
        self._settings.set(SHOW_HISTORY, is_shown)
        self.history.setVisible(is_shown)
        self._history_button.setChecked(is_shown)
        if is_shown:
            self._list_history()

    def _search_history(self) -> None:
        self._show_history(True)
        self.history.search.setFocus()

    # -- following the model -------------------------------------------------------------------------------------

    def _case(self) -> str:
        return str(self._settings.get(LETTER_CASE))

    def _stage(self) -> TextStage:
        """The text stage as chosen, for the language of the model."""
        recognizer = self._model.recognizer
        language = recognizer.bundle.card.language if recognizer is not None else "en"
        options = text_options(self._settings)
        if self._text_stage is None or (language, options) != (self._language, self._text_stage.options):
            self._language = language
            self._text_stage = TextStage(language_rules(language), options)
        return self._text_stage

    def _edit_hotwords(self) -> None:
        dialog = HotwordsDialog(self._theme, self)
        dialog.saved.connect(self._take_hotwords)
        dialog.open()

    def _take_hotwords(self) -> None:
        self._model.decode_anew()
        self._text_stage = None  # its names are the hotwords as they were
        self._write_again()
        self.toast.say("Hotwords saved")

    def _write_again(self) -> None:
        self.pane.editor.write_again(self._stage())
        self._list_history()

    def _list_history(self) -> None:
        if self.history.isVisibleTo(self):
            self.history.set_dictations(self._model.history(self.history.search.text()), self._stage())

    def _list_microphones(self, devices: list[InputDevice], problem: str) -> None:
        with QSignalBlocker(self.microphone_picker):
            self.microphone_picker.clear()
            default = next((device.name for device in devices if device.is_default), "")
            named = f"{SYSTEM_MICROPHONE} ({default})" if default not in ("", "default") else SYSTEM_MICROPHONE
            self.microphone_picker.addItem(named, "")
            for device in devices:
                self.microphone_picker.addItem(device.name, device.name)
            place = self.microphone_picker.findData(self._model.microphone)
            self.microphone_picker.setCurrentIndex(max(place, 0))
        if problem:
            self.notice.say(problem, "warning", "Look again")
        elif devices and self.notice.isVisibleTo(self):
            self.notice.clear()

    def _list_bundles(self) -> None:
        recognizer = self._model.recognizer
        with QSignalBlocker(self.bundle_picker):
            self.bundle_picker.clear()
            for bundle in self._model.bundles():
                self.bundle_picker.addItem(bundle.card.name, str(bundle.folder))
                self.bundle_picker.setItemData(
                    self.bundle_picker.count() - 1, bundle.card.description, Qt.ItemDataRole.ToolTipRole
                )
            for reason in self._model.broken_bundles():
                self.bundle_picker.addItem("Unusable model", "")
                place = self.bundle_picker.count() - 1
                self.bundle_picker.setItemData(place, reason, Qt.ItemDataRole.ToolTipRole)
                rows = self.bundle_picker.model()
                if isinstance(rows, QStandardItemModel):
                    rows.item(place).setEnabled(False)
            self.bundle_picker.setPlaceholderText("No model")
            self.bundle_picker.addItem(OTHER_BUNDLE, None)
            self.bundle_picker.addItem(MORE_MODELS, None)
            folder = str(recognizer.bundle.folder) if recognizer is not None else ""
            self.bundle_picker.setCurrentIndex(self.bundle_picker.findData(folder) if folder else -1)

    def _show_loading(self, name: str) -> None:
        self.model_notice.clear()
        self.bundle_picker.setPlaceholderText(f"Loading {name}" if name else "Loading the model")
        self.bundle_picker.setCurrentIndex(-1)

    def _show_ready(self, _recognizer: Recognizer) -> None:
        self.model_notice.clear()
        self._list_bundles()
        self._make_offer()
        self.pane.set_listening(self._model.is_recording, True)

    def _make_offer(self) -> None:
        """Say once what the shipped model cannot do, and what a larger one weighs."""
        shipped = [bundle.folder.parent == bundled_models_folder() for bundle in self._model.bundles()]
        if all(shipped) and not self._settings.get(OFFER_SEEN):
            first = published_models()[0]
            self.offer.say(
                f"The model that comes along is small and misreads many words. A published one for sentences is "
                f"a download of {first.size_text}.",
                "info",
                "Look at models",
            )
        else:
            self.offer.clear()

    def _take_offer(self) -> None:
        self._settings.set(OFFER_SEEN, True)
        self.offer.clear()
        self.models_requested.emit()

    def _show_model_failure(self, sentence: str) -> None:
        self._list_bundles()
        other = "Use the default model" if self._model.recognizer is None and self._model.bundles() else ""
        self.model_notice.say(sentence, "error", other)

    def _show_slowness(self, sentence: str) -> None:
        self.model_notice.say(sentence, "warning")

    def _show_failure(self, sentence: str) -> None:
        self.notice.say(sentence, "error", "Look again" if "microphone" in sentence else "")

    def _show_state(self, state: str) -> None:
        is_on = state in ("starting", "listening")
        self.transport.show_state(state, "a sample" if self._sample is not None else "")
        self.pane.set_listening(is_on, self._model.recognizer is not None)
        self.microphone_picker.setEnabled(state == "idle")
        self.refresh_button.setEnabled(state == "idle")
        self.bundle_picker.setEnabled(state == "idle")
        if state == "listening":
            self.notice.clear()
        if state == "idle":
            self.level_meter.reset()
            self._timer.stop()
            self._refresh()
        elif self.isVisible():
            self._timer.start()
        self._enable_buttons()

    def _show_partial(self, committed: str, unstable: str) -> None:
        self.pane.set_partial(committed, unstable, self._stage())

    def _append_final(self, final: FinalText) -> None:
        self.pane.editor.append_final(final, self._stage())

    def _next_unsure(self) -> None:
        if not self.pane.editor.select_next_unsure():
            self.toast.say("No word is unsure")

    def _enable_buttons(self) -> None:
        has_text = not self.pane.editor.document().isEmpty()
        for button in (self._copy_button, self._save_button, self._clear_button):
            button.setEnabled(has_text)
        self._inspect_button.setEnabled(self._model.last_audio is not None and self._model.state == "idle")

    def _refresh(self) -> None:
        snapshot = self._model.scope.snapshot()
        recognizer = self._model.recognizer
        stride_s = recognizer.bundle.stride_s if recognizer is not None else 0.02
        self.signals.refresh(snapshot, self._model.words, stride_s, self._case())
        self.transport.show_time(snapshot.now_s)
        if self._model.state != "idle":
            self.level_meter.set_level(snapshot.peak_db, snapshot.rms_db)
            self.transport.record_button.set_level(1 - max(snapshot.rms_db, QUIETEST_DB) / QUIETEST_DB)

    # -- events --------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space records, wherever it does not mean something else (text, a button in focus, a list)."""
        if event.key() == Qt.Key.Key_Space and not event.modifiers() and not event.isAutoRepeat():
            self._toggle()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Lanes move while they are seen."""
        super().showEvent(event)
        self._model.show_codes(True)
        if self._model.state != "idle":
            self._timer.start()
        if self.focusWidget() is None:
            self.transport.record_button.setFocus()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is painted while hidden; edits are kept at once."""
        super().hideEvent(event)
        self._model.show_codes(False)
        self._timer.stop()
        self.pane.editor.save_corrections()
