"""The two threads behind a dictation: one listens and keeps the sound, the other recognises. No widgets here.

 microphone or file                                                     recogniser thread
        |              listener thread                                          |
        +--> Listener: resample --> FLAC, Scope (waveform), SampleQueue --> Transcriber --> Scope (codes, mask), texts

The listener never waits for the model: while a long segment is decoded, the sound goes on being kept and shown.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from export.bundle import BundleError, open_bundle
from w2v_studio.audio.devices import AudioUnavailable, list_input_devices
from w2v_studio.audio.files import AudioFileError
from w2v_studio.audio.resample import SAMPLE_RATE, StreamResampler
from w2v_studio.bundles import default_bundle
from w2v_studio.dictation.decoders import make_decoders
from w2v_studio.dictation.recording import RecordingError, RecordingWriter
from w2v_studio.dictation.sample_queue import SampleQueue
from w2v_studio.dictation.scope import Scope
from w2v_studio.dictation.sources import FileSource, SoundSource
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.provider import ProviderError
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import (
    FinalUpdate,
    FramesUpdate,
    LiveUpdate,
    PartialUpdate,
    SlowUpdate,
    SpeechUpdate,
)
from w2v_studio.recognition.voice_activity import VoiceActivity

PERIOD_MS = 32
"""How often the listener empties the device's buffer."""
TAKE_SAMPLES = SAMPLE_RATE // 2
"""Most sound recognised at once; a backlog is worked off in such pieces, so that the text keeps moving."""


class Listener(QObject):
    """Takes sound from a source, keeps and shows it, and hands it on. Lives in a thread of its own."""

    devices_listed = Signal(object, str)
    """list[InputDevice], and the sentence that says why there are none ("" otherwise)."""
    started = Signal()
    failed = Signal(str)
    samples_ready = Signal()
    ended = Signal(float)
    """The stream's duration in seconds; the recording is complete on disk."""

    def __init__(self, scope: Scope, queue: SampleQueue) -> None:
        super().__init__()
        self._scope, self._queue = scope, queue
        self._source: SoundSource | None = None
        self._resampler: StreamResampler | None = None
        self._writer: RecordingWriter | None = None
        self._timer: QTimer | None = None
        self.overruns = 0

    @Slot(bool)
    def list_devices(self, rescan: bool) -> None:
        """Look for microphones; `rescan` finds those plugged in since, and is ignored while listening."""
        try:
            devices = list_input_devices(rescan=rescan and self._source is None)
        except AudioUnavailable as error:
            self.devices_listed.emit([], str(error))
            return
        problem = "" if devices else "no microphone was found: plug one in, or enable it in the system's sound settings"
        self.devices_listed.emit(devices, problem)

    @Slot(object, object)
    def start(self, source: SoundSource, path: Path | None) -> None:
        """Listen to `source`, keeping the sound in `path` (None: not at all). Answers `started` or `failed`."""
        try:
            self._writer = RecordingWriter(path) if path is not None else None
            source.start()
        except (AudioUnavailable, AudioFileError, RecordingError) as error:
            self._close_writer()
            self.failed.emit(str(error))
            self._end(0.0)
            return
        if isinstance(source, FileSource) and source.warning:
            self.failed.emit(source.warning)
        self._source = source
        self.overruns = 0
        self._resampler = StreamResampler(source.rate_hz)
        if self._timer is None:
            self._timer = QTimer(self)
            self._timer.timeout.connect(self._poll)
        self._timer.start(PERIOD_MS)
        self.started.emit()

    @Slot()
    def stop(self) -> None:
        """End the stream; everything heard so far is kept and handed on."""
        source, self._source = self._source, None
        resampler, self._resampler = self._resampler, None
        if source is None or resampler is None:
            return
        if self._timer is not None:
            self._timer.stop()
        source.stop()
        try:
            self._take(resampler.feed(source.read()))
        except (AudioUnavailable, RecordingError) as error:
            self.failed.emit(str(error))
        try:
            self._take(resampler.flush())
        except RecordingError as error:
            self.failed.emit(str(error))
        self._close_writer()
        self._end(self._scope.samples / SAMPLE_RATE)

    @Slot()
    def _poll(self) -> None:
        source, resampler = self._source, self._resampler
        if source is None or resampler is None:
            return
        try:
            samples = source.read()
            if len(samples):
                self._take(resampler.feed(samples))
        except (AudioUnavailable, RecordingError) as error:
            self.failed.emit(str(error))
            self.stop()
            return
        self.overruns = source.overruns
        if source.is_finished:
            self.stop()

    def _take(self, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        if len(samples) == 0:
            return
        self._scope.push_samples(samples)
        self._queue.put(samples)
        self.samples_ready.emit()
        if self._writer is not None:  # last: what cannot be kept is still recognised
            self._writer.write(samples)

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _end(self, duration_s: float) -> None:
        self._scope.hold()
        self._queue.close()
        self.samples_ready.emit()
        self.ended.emit(duration_s)


class Transcriber(QObject):
    """Owns the recogniser and turns queued sound into text. Lives in a thread of its own."""

    recognizer_ready = Signal(object)
    load_failed = Signal(str)
    decoding_failed = Signal(str)
    """What was asked for and why it is done greedily instead."""
    partial_changed = Signal(str, str)
    """Committed text, unstable text."""
    text_finalized = Signal(object)
    """FinalUpdate."""
    speech_changed = Signal(bool)
    load_measured = Signal(float, float)
    """Processing time per second of sound, and seconds of sound not recognised yet."""
    slow_changed = Signal(str)
    """Why the words come late and what to do about it; "" when the machine keeps up."""
    stream_ended = Signal()

    def __init__(self, scope: Scope, queue: SampleQueue) -> None:
        super().__init__()
        self._scope, self._queue = scope, queue
        self._recognizer: Recognizer | None = None
        self._live: LiveRecognizer | None = None
        self._in_stream = False
        self._show_codes = True
        self._slowness = ""
        self._busy_s = self._heard_s = 0.0

    @Slot(bool)
    def show_codes(self, is_shown: bool) -> None:
        """Whether anybody looks at codes and mask; computing them in silence too costs most of what listening does."""
        self._show_codes = is_shown
        if self._live is not None:
            self._live.show_codes = is_shown

    @Slot(str, str, str)
    def load(self, folder: str, provider: str, decoding: str) -> None:
        """Open a bundle ("" for the default one) and run it once. Answers `recognizer_ready` or `load_failed`."""
        try:
            bundle = open_bundle(Path(folder)) if folder else default_bundle()
            recognizer = Recognizer(bundle, provider)  # type: ignore[arg-type]  # checked by the settings
            recognizer.warm_up()
            self._make_live(recognizer, decoding)
        except (BundleError, ProviderError, OSError) as error:
            self.load_failed.emit(str(error))
            return
        self._recognizer = recognizer
        self.recognizer_ready.emit(recognizer)

    @Slot(str)
    def set_decoding(self, decoding: str) -> None:
        """Decode otherwise, with the hotwords as they are now; a running stream ends with what it began."""
        if self._recognizer is not None and not self._in_stream:
            self._make_live(self._recognizer, decoding)

    def _make_live(self, recognizer: Recognizer, decoding: str) -> None:
        decoders = make_decoders(recognizer.bundle, decoding)
        settings = replace(LiveSettings.for_provider(recognizer.provider), show_codes=self._show_codes)
        self._live = LiveRecognizer(recognizer, VoiceActivity(), settings, decoders=decoders)
        if decoders.problem:
            self.decoding_failed.emit(decoders.problem)

    @Slot()
    def begin(self) -> None:
        """A new stream starts."""
        self._in_stream = True
        self._busy_s = self._heard_s = 0.0
        self._tell_slowness("")
        if self._live is not None:
            self._live.reset()

    @Slot()
    def take(self) -> None:
        """Recognise what waits; further pieces follow when other events had their turn."""
        if not self._in_stream:
            return
        samples, is_end = self._queue.take(TAKE_SAMPLES)
        if self._live is not None and (len(samples) or is_end):
            began = time.perf_counter()
            updates = self._live.feed(samples) if len(samples) else []
            if is_end:
                updates += self._live.flush()
            self._measure(time.perf_counter() - began, len(samples) / SAMPLE_RATE)
            for update in updates:
                self._tell(update)
        if is_end:
            self._in_stream = False
            self.partial_changed.emit("", "")
            self.stream_ended.emit()
        elif self._queue.waiting:
            QTimer.singleShot(0, self.take)

    def _tell(self, update: LiveUpdate) -> None:
        if isinstance(update, FramesUpdate):
            self._scope.push_frames(update.first_frame, update.code_ids, update.time_mask)
        elif isinstance(update, PartialUpdate):
            self.partial_changed.emit(update.committed, update.unstable)
        elif isinstance(update, FinalUpdate):
            self.partial_changed.emit("", "")
            self.text_finalized.emit(update)
        elif isinstance(update, SpeechUpdate):
            self.speech_changed.emit(update.is_speech)
        elif isinstance(update, SlowUpdate):
            self._tell_slowness(update.reason)

    def _tell_slowness(self, reason: str) -> None:
        if reason != self._slowness:
            self._slowness = reason
            self.slow_changed.emit(reason)

    def _measure(self, busy_s: float, heard_s: float) -> None:
        """Over about the last five seconds of sound."""
        fade = 0.5 ** (heard_s / 2.5)
        self._busy_s = self._busy_s * fade + busy_s
        self._heard_s = self._heard_s * fade + heard_s
        if self._heard_s > 0:
            self.load_measured.emit(self._busy_s / self._heard_s, self._queue.waiting / SAMPLE_RATE)
