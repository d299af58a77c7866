"""A dictation from the window's side: what is chosen, what runs, what was said. Knows no widgets."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEventLoop, QObject, QThread, QTimer, Signal

from engine.text.ctc import Word
from export.bundle import Bundle, BundleError, open_bundle
from w2v_studio.assets import samples_folder
from w2v_studio.bundles import broken_bundles, installed_bundles
from w2v_studio.dictation.recording import RecordingError
from w2v_studio.dictation.sample_queue import SampleQueue
from w2v_studio.dictation.scope import Scope
from w2v_studio.dictation.sources import FileSource, MicrophoneSource, SoundSource
from w2v_studio.dictation.store import Dictation, DictationStore, StoreError
from w2v_studio.dictation.worker import Listener, Transcriber
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import FinalUpdate
from w2v_studio.settings import BUNDLE, DECODING, MICROPHONE, PROVIDER, Settings

STOP_WAIT_MS = 10_000
"""How long closing the window waits for the last words."""


@dataclass(frozen=True)
class SampleClip:
    """A clip to try the application with, from resources/samples/samples.tsv."""

    path: Path
    transcript: str
    source: str


@dataclass(frozen=True)
class FinalText:
    """The final text of a segment; `dictation` is None where nothing is stored (a sample). Times in seconds."""

    dictation: int | None
    segment: int
    text: str
    words: tuple[Word, ...]
    start_s: float
    end_s: float


class DictationModel(QObject):
    """Runs one dictation at a time. States: idle, starting, listening, finishing."""

    state_changed = Signal(str)
    partial_changed = Signal(str, str)
    text_finalized = Signal(object)
    """FinalText."""
    speech_changed = Signal(bool)
    failed = Signal(str)
    """A sentence with its remedy, about what was tried just now."""
    microphones_changed = Signal(object, str)
    """list[InputDevice], and the sentence that says why there are none."""
    recognizer_loading = Signal(str)
    """The name of the model that is being loaded."""
    recognizer_ready = Signal(object)
    recognizer_failed = Signal(str)
    bundles_changed = Signal()
    load_measured = Signal(float, float)
    slow_changed = Signal(str)
    """Why the words come late and what to do about it; "" when the machine keeps up."""
    history_changed = Signal()
    recording_finished = Signal(str)
    """The path of a complete recording, or of the sample that was played."""

    _list_devices = Signal(bool)
    _load = Signal(str, str, str)
    _set_decoding = Signal(str)
    _show_codes = Signal(bool)
    _start = Signal(object, object)
    _stop = Signal()
    _begin = Signal()

    def __init__(self, settings: Settings, home: Path | None = None, parent: QObject | None = None) -> None:
        """`home` is the data folder. Where its database cannot be opened, dictation works but is not kept."""
        super().__init__(parent)
        self._settings = settings
        self.store_problem = ""
        self._store = self._open_store(home)
        self.scope = Scope()
        self._queue = SampleQueue()
        self._state = "idle"
        self._recognizer: Recognizer | None = None
        self._current: Dictation | None = None
        self._words: list[Word] = []
        self._is_sample = False
        self._last_audio: Path | None = None
        self._duration_s = 0.0
        self._ended = {"listener": True, "transcriber": True}
        self._wanted_bundle: str | None = None
        self._decoding_waits = False
        self._requested = self._in_use = ""
        self._closed = False
        self._listener, self._transcriber = Listener(self.scope, self._queue), Transcriber(self.scope, self._queue)
        self._threads = [
            self._run_in_thread(self._listener, "listener"),
            self._run_in_thread(self._transcriber, "recogniser"),
        ]
        self._connect()

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """idle, starting, listening or finishing."""
        return self._state

    @property
    def is_recording(self) -> bool:
        """Whether sound is coming in, or about to."""
        return self._state in ("starting", "listening")

    @property
    def is_sample(self) -> bool:
        """Whether the running or last stream was a sample clip."""
        return self._is_sample

    @property
    def recognizer(self) -> Recognizer | None:
        """The loaded model, None while it loads and where there is none."""
        return self._recognizer

    @property
    def words(self) -> Sequence[Word]:
        """Final words of the running or last stream, times on its clock."""
        return self._words

    @property
    def last_audio(self) -> Path | None:
        """The sound of the last stream, None before the first."""
        return self._last_audio

    def bundles(self) -> list[Bundle]:
        """Models to choose from: the installed ones, and the chosen one if it lies elsewhere."""
        found = installed_bundles()
        if self._recognizer is not None and all(b.folder != self._recognizer.bundle.folder for b in found):
            found.append(self._recognizer.bundle)
        chosen = self._settings.get(BUNDLE)
        if chosen and all(bundle.folder != Path(chosen) for bundle in found):
            with contextlib.suppress(BundleError):  # the attempt to load it says why
                found.append(open_bundle(Path(chosen)))
        return found

    def broken_bundles(self) -> list[str]:
        """A sentence for each installed model that cannot be used."""
        return [broken.reason for broken in broken_bundles()]

    def samples(self) -> list[SampleClip]:
        """The clips that come with the application."""
        folder = samples_folder()
        try:
            with (folder / "samples.tsv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        except OSError:
            return []
        clips = [SampleClip(folder / row["path"], row["transcript"], row["source"]) for row in rows]
        return [clip for clip in clips if clip.path.is_file()]

    # -- choices -------------------------------------------------------------------------------------------------

    def refresh_microphones(self, *, rescan: bool = True) -> None:
        """Look for microphones; `microphones_changed` answers."""
        self._list_devices.emit(rescan)

    @property
    def microphone(self) -> str:
        """The chosen microphone's name, "" for the system's."""
        return str(self._settings.get(MICROPHONE))

    def choose_microphone(self, name: str) -> None:
        """Use this microphone from the next recording on; "" for the system's."""
        self._settings.set(MICROPHONE, name)

    def load_recognizer(self) -> None:
        """Load the chosen model, or the default one; `recognizer_ready` or `recognizer_failed` answers."""
        self._load_bundle(self._settings.get(BUNDLE))

    def show_codes(self, is_shown: bool) -> None:
        """Say whether anybody looks at codes and mask; they are not computed in silence otherwise."""
        self._show_codes.emit(is_shown)

    def decode_anew(self) -> None:
        """Decode as the settings and the list of hotwords say now; after a running recording."""
        if self._state == "idle":
            self._set_decoding.emit(self._settings.get(DECODING))
        else:
            self._decoding_waits = True

    def use_bundle(self, folder: str) -> None:
        """Choose a model by its folder; during a recording it is loaded afterwards."""
        self._settings.set(BUNDLE, str(folder))
        self.bundles_changed.emit()
        if self._state == "idle":
            self._load_bundle(str(folder))
        else:
            self._wanted_bundle = str(folder)

    # -- recording -----------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Start recording, or stop."""
        if self.is_recording:
            self.stop()
        elif self._state == "idle":
            self.start()

    def start(self) -> None:
        """Record from the chosen microphone; the sound and its text are kept."""
        self._open(MicrophoneSource(self.microphone), None)

    def start_sample(self, clip: SampleClip) -> None:
        """Hear a clip as if it were spoken now; nothing is kept."""
        self._open(FileSource(clip.path), clip.path)

    def start_source(self, source: SoundSource) -> None:
        """Record from any source, as from a microphone."""
        self._open(source, None)

    def stop(self) -> None:
        """Stop listening; the last words follow."""
        if self.is_recording:
            self._set_state("finishing")
            self._stop.emit()

    def _open(self, source: SoundSource, sample: Path | None) -> None:
        if self._state != "idle":
            return
        self._is_sample = sample is not None
        self._words = []
        self._current = None
        if sample is None and self._store is not None:
            name = self._recognizer.bundle.card.name if self._recognizer is not None else ""
            try:
                self._current = self._store.begin(name)
            except Exception as error:  # a full disk must not keep anybody from dictating
                self.failed.emit(f"this dictation is not kept ({error}): make room in {self._store.folder}")
        self._last_audio = sample if sample is not None else self._current.audio_path if self._current else None
        groups = self._recognizer.bundle.card.codebook_groups if self._recognizer is not None else 2
        self.scope.clear(groups)
        self._queue.clear()
        self._ended = {"listener": False, "transcriber": False}
        self._set_state("starting")
        self._begin.emit()
        self._start.emit(source, self._current.audio_path if self._current is not None else None)

    # -- history -------------------------------------------------------------------------------------------------

    def recover(self) -> list[Dictation]:
        """Finish what a crash cut off and empty the bin; for the start of the only window of this data folder."""
        if self._store is None:
            return []
        try:
            self._store.empty_bin()
            return self._store.recover()
        except (OSError, RecordingError, StoreError) as error:
            self.failed.emit(f"a cut-off recording could not be recovered ({error}); it stays where it is")
            return []

    def history(self, search: str = "") -> list[Dictation]:
        """Past dictations that contain all words of `search`, the newest first."""
        return self._store.search(search) if self._store is not None else []

    def dictation(self, number: int) -> Dictation | None:
        """One past dictation."""
        try:
            return self._store.get(number) if self._store is not None else None
        except StoreError:
            return None

    def delete(self, number: int) -> None:
        """Put a dictation into the bin; `restore` takes it out until the next start."""
        if self._store is not None:
            self._store.delete(number)
            self.history_changed.emit()

    def restore(self, number: int) -> None:
        """Take it out of the bin."""
        if self._store is not None:
            self._store.restore(number)
            self.history_changed.emit()

    def correct(self, number: int, segment: int, text: str | None) -> None:
        """Keep a person's text for a segment, None for the model's."""
        if self._store is not None:
            self._store.correct(number, segment, text)
            self.history_changed.emit()

    def close(self) -> None:
        """Stop, keep everything, end the threads. Waits up to 10 s for the last words; harmless twice."""
        if self._closed:
            return
        self._closed = True
        if self.is_recording:
            self.stop()
        if self._state != "idle":
            self._wait_for_idle()
        for thread in self._threads:
            thread.quit()
        for thread in self._threads:
            thread.wait(STOP_WAIT_MS)
        if self._store is not None:
            self._store.close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _wait_for_idle(self) -> None:
        loop = QEventLoop()
        self.state_changed.connect(lambda state: loop.quit() if state == "idle" else None)
        QTimer.singleShot(STOP_WAIT_MS, loop.quit)
        loop.exec()

    def _open_store(self, home: Path | None) -> DictationStore | None:
        try:
            return DictationStore(home)
        except StoreError as error:
            self.store_problem = str(error)
            return None

    def _run_in_thread(self, worker: QObject, name: str) -> QThread:
        thread = QThread(self)
        thread.setObjectName(name)
        worker.moveToThread(thread)
        thread.start()
        return thread

    def _connect(self) -> None:
        listener, transcriber = self._listener, self._transcriber
        self._list_devices.connect(listener.list_devices)
        self._start.connect(listener.start)
        self._stop.connect(listener.stop)
        listener.devices_listed.connect(self.microphones_changed)
        listener.started.connect(self._on_started)
        listener.failed.connect(self.failed)
        listener.samples_ready.connect(transcriber.take)
        listener.ended.connect(self._on_listener_ended)
        self._load.connect(transcriber.load)
        self._set_decoding.connect(transcriber.set_decoding)
        transcriber.decoding_failed.connect(self.failed)
        self._begin.connect(transcriber.begin)
        transcriber.recognizer_ready.connect(self._on_recognizer_ready)
        transcriber.load_failed.connect(self._on_load_failed)
        transcriber.partial_changed.connect(self.partial_changed)
        transcriber.text_finalized.connect(self._on_text_finalized)
        transcriber.speech_changed.connect(self.speech_changed)
        transcriber.load_measured.connect(self.load_measured)
        transcriber.slow_changed.connect(self.slow_changed)
        self._show_codes.connect(transcriber.show_codes)
        transcriber.stream_ended.connect(self._on_stream_ended)

    def _load_bundle(self, folder: str) -> None:
        name = next((b.card.name for b in self.bundles() if str(b.folder) == folder), Path(folder).name)
        self._requested = folder
        self.recognizer_loading.emit(name)
        self._load.emit(folder, self._settings.get(PROVIDER), self._settings.get(DECODING))

    def _on_recognizer_ready(self, recognizer: Recognizer) -> None:
        self._recognizer, self._in_use = recognizer, self._requested
        self.recognizer_ready.emit(recognizer)

    def _on_load_failed(self, sentence: str) -> None:
        if self._recognizer is not None:  # the next start shall find what works
            self._settings.set(BUNDLE, self._in_use)
        self.recognizer_failed.emit(sentence)

    def _on_started(self) -> None:
        if self._state == "starting":
            self._set_state("listening")

    def _on_text_finalized(self, update: FinalUpdate) -> None:
        self._words.extend(update.words)
        number = self._current.id if self._current is not None else None
        if number is not None and self._store is not None:
            self._store.add_segment(number, update.segment, update.text, update.words, update.start_s, update.end_s)
        if update.text:
            self.text_finalized.emit(
                FinalText(number, update.segment, update.text, tuple(update.words), update.start_s, update.end_s)
            )

    def _on_listener_ended(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._end("listener")

    def _on_stream_ended(self) -> None:
        self._end("transcriber")

    def _end(self, who: str) -> None:
        """The stream is over when the sound is on disk and the last word is there."""
        self._ended[who] = True
        if self._state == "idle":
            return
        if not all(self._ended.values()):
            self._set_state("finishing")
            return
        current, self._current = self._current, None
        if current is not None and self._store is not None:
            if self._duration_s > 0:
                self._store.finish(current.id, self._duration_s)
            else:
                self._store.discard(current.id)
                self._last_audio = None
            self.history_changed.emit()
        self._set_state("idle")
        if self._last_audio is not None:
            self.recording_finished.emit(str(self._last_audio))
        wanted, self._wanted_bundle = self._wanted_bundle, None
        waits, self._decoding_waits = self._decoding_waits, False
        if wanted is not None and not self._closed:
            self._load_bundle(wanted)
        elif waits and not self._closed:
            self.decode_anew()

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.state_changed.emit(state)
