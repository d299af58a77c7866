"""The inspection screen without its looks: a recording, one page of it, its analysis, a code, the sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QThreadPool, QTimer, Signal

from engine.masking import Mask
from w2v_studio.audio.devices import AudioUnavailable
from w2v_studio.inspection.analysis import Spectrogram, draw_mask, occurrences, sample_range
from w2v_studio.inspection.answering import Courier
from w2v_studio.inspection.clip import SAMPLE_RATE, Clip, Page
from w2v_studio.inspection.exports import Analysis
from w2v_studio.inspection.playback import Player, Program, program_of
from w2v_studio.inspection.requests import (
    Answer,
    ClipAnswer,
    ClipRequest,
    CodesAnswer,
    CodesRequest,
    Letters,
    MaskedAnswer,
    MaskedRequest,
    SpectrogramAnswer,
    SpectrogramRequest,
)
from w2v_studio.recognition.sessions import Recognizer

POSITION_MS = 30


class InspectionModel(QObject):
    """Opens recordings, has them analysed off the GUI thread, and drops answers to questions nobody asks any more."""

    opening = Signal(str)  # name of a file that is being decoded
    clip_changed = Signal()  # another recording; its first page follows
    page_changed = Signal()
    spectrogram_changed = Signal()
    codes_changed = Signal()  # codes, usage and letters are there, or gone
    mask_changed = Signal()  # another draw
    masked_changed = Signal()  # the letters under the mask are there, or gone
    code_changed = Signal()  # a code was selected, or none
    recognizer_changed = Signal()
    last_dictation_changed = Signal()
    problem_found = Signal(str)  # one sentence for people
    warning_found = Signal(str)  # one sentence: the recording is open, but not all of it is there
    playing_changed = Signal(bool)
    position_changed = Signal(object)  # seconds in the recording that sound now, or None

    def __init__(self, parent: QObject | None = None, player: Player | None = None) -> None:
        super().__init__(parent)
        self.clip: Clip | None = None
        self.page: Page | None = None
        self.spectrogram: Spectrogram | None = None
        self.codes: CodesAnswer | None = None
        self.mask: Mask | None = None
        self.masked: MaskedAnswer | None = None
        self.mask_seed = 0
        self.selected_code: tuple[int, int] | None = None
        self.recognizer: Recognizer | None = None
        self.last_dictation: Path | None = None
        self._newest = 0
        self._expected: dict[type[Answer], int] = {}
        self._courier = Courier(self)
        self._courier.answered.connect(self._take)
        self._courier.refused.connect(self._take_refusal)
        self._player = player or Player()
        self._sound = QThreadPool(self)
        self._sound.setMaxThreadCount(1)
        self._sound_failed.connect(self._stop_with)
        self._clock = QTimer(self)
        self._clock.setInterval(POSITION_MS)
        self._clock.timeout.connect(self._follow_sound)
        self._sound_started.connect(self._clock.start)

    _sound_started = Signal()
    _sound_failed = Signal(str)

    def close(self) -> None:
        """Fall silent and wait for what is being computed; before the program ends."""
        self.stop()
        self._courier.close()
        self._sound.waitForDone()

    # A recording

    def open_file(self, path: str | Path) -> None:
        """Decode a file and show its first page; the present one stays until then."""
        self.opening.emit(Path(path).name)
        self._courier.send(ClipRequest(self._number(ClipAnswer), Path(path)))

    def set_last_dictation(self, path: str | Path | None) -> None:
        """Know where the last dictation was kept."""
        self.last_dictation = Path(path) if path else None
        self.last_dictation_changed.emit()

    def open_last_dictation(self) -> None:
        """Show what was dictated last."""
        if self.last_dictation is not None:
            self.open_file(self.last_dictation)

    def set_recognizer(self, recognizer: Recognizer) -> None:
        """Analyse with this bundle from now on, the open page first."""
        self.recognizer = recognizer
        self.recognizer_changed.emit()
        if self.page is not None:
            self._analyse()

    def show_page(self, place: int) -> None:
        """Analyse the page at `place` of the clip's pages."""
        if self.clip is None or not 0 <= place < len(self.clip.pages):
            return
        self.stop()
        self.page = self.clip.pages[place]
        self.spectrogram = None
        self._expected.pop(SpectrogramAnswer, None)
        self.page_changed.emit()
        number = self._number(SpectrogramAnswer)
        self._courier.send(SpectrogramRequest(number, self.clip.samples(self.page)))
        self._analyse()

    # The mask

    def set_mask_seed(self, seed: int) -> None:
        """Draw the mask with this seed; the same seed gives the same mask."""
        if seed != self.mask_seed:
            self.mask_seed = seed
            self._draw_mask()

    @property
    def letters(self) -> Letters | None:
        """The letters without the mask."""
        return self.codes.letters if self.codes is not None else None

    @property
    def analysis(self) -> Analysis | None:
        """All that is known about the page, for export; None before the codes are there."""
        if self.clip is None or self.page is None or self.codes is None or self.recognizer is None:
            return None
        bundle = self.recognizer.bundle
        return Analysis(
            self.clip, self.page, bundle.card.name, bundle.vocabulary, self.codes, self.masked, self.mask_seed
        )

    # A code

    def select_code(self, group: int, code: int) -> None:
        """Mark all places of a code in the page."""
        self.selected_code = (group, code)
        self.code_changed.emit()

    def clear_code(self) -> None:
        """Mark no code."""
        self.selected_code = None
        self.code_changed.emit()

    @property
    def occurrences(self) -> list[tuple[int, int]]:
        """Runs of page frames [start, end) of the selected code."""
        if self.codes is None or self.selected_code is None:
            return []
        return occurrences(self.codes.code_ids, *self.selected_code)

    # Sound

    @property
    def is_playing(self) -> bool:
        """Whether something sounds or is about to."""
        return self._player.is_playing

    def play_occurrences(self) -> None:
        """Hear the selected code's places one after the other, 160 ms or more of each."""
        if self.page is not None:
            first = self.page.first_frame
            self.play([sample_range(first + start, first + end) for start, end in self.occurrences])

    def play_span(self, start_s: float, end_s: float | None = None) -> None:
        """Hear the recording from `start_s` to `end_s` (None: the end)."""
        if self.clip is not None:
            end_s = self.clip.duration_s if end_s is None else end_s
            self.play([(round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE))])

    def play(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Hear sample ranges of the recording, with gaps between."""
        if self.clip is None:
            return
        program = program_of(self.clip.waveform, ranges)
        if not program.pieces:
            return
        self._clock.stop()  # what played before must not end this one
        order = self._player.next_order()
        self._sound.start(lambda: self._play(program, order))
        self.playing_changed.emit(True)

    def stop(self) -> None:
        """Be silent."""
        self._clock.stop()
        self._player.stop()
        self.playing_changed.emit(False)
        self.position_changed.emit(None)

    def _play(self, program: Program, order: int) -> None:
        try:
            self._player.play(program, order)
        except AudioUnavailable as error:
            self._sound_failed.emit(str(error))
        else:
            self._sound_started.emit()

    def _stop_with(self, sentence: str) -> None:
        self.stop()
        self.problem_found.emit(sentence)

    def _follow_sound(self) -> None:
        if self._player.is_playing:
            self.position_changed.emit(self._player.position_s)
        else:
            self.stop()

    # Requests and answers

    def _number(self, kind: type[Answer]) -> int:
        """A new number; only an answer of this kind with this number is still wanted."""
        self._newest += 1
        self._expected[kind] = self._newest
        return self._newest

    def _analyse(self) -> None:
        self._forget_codes()
        if self.recognizer is None or self.clip is None or self.page is None:
            return
        number = self._number(CodesAnswer)
        self._courier.send(CodesRequest(number, self.recognizer, self.page, self.clip.samples(self.page)))

    def _forget_codes(self) -> None:
        self._expected.pop(CodesAnswer, None)
        self._expected.pop(MaskedAnswer, None)
        self.codes = self.mask = self.masked = self.selected_code = None
        for gone in (self.codes_changed, self.mask_changed, self.masked_changed, self.code_changed):
            gone.emit()

    def _draw_mask(self) -> None:
        if self.codes is None or self.recognizer is None or self.clip is None or self.page is None:
            return
        card = self.recognizer.bundle.card
        frames = len(self.codes.code_ids)
        self.mask = draw_mask(frames, card.mask_prob, card.mask_length, card.mask_min_spans, self.mask_seed)
        self.mask_changed.emit()
        number = self._number(MaskedAnswer)
        waveform = self.clip.samples(self.page)
        self._courier.send(MaskedRequest(number, self.recognizer, self.page, waveform, self.mask))

    def _take(self, answer: Answer) -> None:
        if self._expected.get(type(answer)) != answer.number:
            return
        del self._expected[type(answer)]
        if isinstance(answer, ClipAnswer):
            self.clip = answer.clip
            self.clip_changed.emit()
            self.show_page(0)
            if answer.warning:
                self.warning_found.emit(answer.warning)
        elif isinstance(answer, SpectrogramAnswer):
            assert self.page is not None
            picture = answer.spectrogram
            self.spectrogram = replace(picture, start_s=picture.start_s + self.page.start_s)
            self.spectrogram_changed.emit()
        elif isinstance(answer, CodesAnswer):
            self.codes = answer
            self.codes_changed.emit()
            self._draw_mask()
        else:
            self.masked = answer
            self.masked_changed.emit()

    def _take_refusal(self, number: int, sentence: str) -> None:
        for kind, expected in list(self._expected.items()):
            if expected == number:
                del self._expected[kind]
                self.problem_found.emit(sentence)
