"""The screen Inspect: a recording as the model sees it, on one clock with one cursor."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from w2v_studio.inspection.analysis import top_letters
from w2v_studio.inspection.codes_panel import CodesPanel
from w2v_studio.inspection.cursor_panel import TOP_LETTERS, CursorPanel, Ranking, Reading
from w2v_studio.inspection.exports import write_frames
from w2v_studio.inspection.heading import Heading
from w2v_studio.inspection.letters_plot import STRIDE_S
from w2v_studio.inspection.mask_panel import MaskPanel
from w2v_studio.inspection.model import InspectionModel
from w2v_studio.inspection.requests import Letters
from w2v_studio.inspection.timeline import Timeline, letter_name
from w2v_studio.inspection.transport import Transport
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.buttons import Button
from w2v_studio.widgets.card import Card, Notice, styled_label
from w2v_studio.widgets.time_axis import clock

PANEL_WIDTH_PX = 300
LIKELY = 0.25
"""From this probability on a letter is stressed on the axis."""
AUDIO_FILES = "Recordings (*.wav *.flac *.ogg *.opus *.oga *.mp3 *.aiff *.aif *.au *.caf);;All files (*)"
FILTERS = {"png": "Picture (*.png)", "csv": "Comma-separated values (*.csv)", "json": "JSON (*.json)"}


class InspectionView(QWidget):
    """Inspect: open, look, follow a code, hear it, mask."""

    title = "Inspect"
    icon_name = "inspect"

    def __init__(self, model: InspectionModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._theme = model, theme
        self._folder = Path.home()
        self._opening = ""
        self.setAcceptDrops(True)
        self.heading = Heading(theme)
        self.notice = Notice(theme)
        self.notice.setObjectName("inspect_notice")
        self.transport = Transport(theme)
        self.timeline = Timeline(theme)
        self.cursor_panel = CursorPanel(theme)
        self.mask_panel = MaskPanel(theme)
        self.codes_panel = CodesPanel(theme)
        self._lay_out()
        self._connect_controls()
        self._connect_model()
        QShortcut(
            QKeySequence(QKeySequence.StandardKey.Open),
            self,
            self.choose_file,
            context=Qt.ShortcutContext.WidgetWithChildrenShortcut,
        )
        self._show_recognizer()
        self._show_clip()

    # Building

    def _lay_out(self) -> None:
        stack = Card()
        stack.body.setContentsMargins(12, 8, 12, 8)
        stack.body.setSpacing(6)
        stack.body.addWidget(self.transport)
        stack.body.addWidget(self.timeline, 1)
        page = QWidget()
        columns = QHBoxLayout(page)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(12)
        columns.addWidget(stack, 1)
        columns.addWidget(self._panels())
        self._pages = QStackedWidget()
        self._empty = self._empty_page()
        self._pages.addWidget(self._empty)
        self._pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, 12, 2 * GRID_PX, 12)
        layout.setSpacing(12)
        layout.addWidget(self.heading)
        layout.addWidget(self.notice)
        layout.addWidget(self._pages, 1)

    def _panels(self) -> QWidget:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        for panel in (self.cursor_panel, self.mask_panel, self.codes_panel):
            panel.body.setContentsMargins(14, 10, 14, 10)
            panel.body.setSpacing(6)
            column.addWidget(panel)
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFixedWidth(PANEL_WIDTH_PX)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return scroll

    def _empty_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setSpacing(GRID_PX)
        column.addStretch(2)
        for words, role in (
            ("See what the model sees", "display"),
            ("Open a recording, or drop a file here: waveform, mask, codes, letters and words on one clock.", "muted"),
        ):
            column.addWidget(styled_label(words, role), alignment=Qt.AlignmentFlag.AlignHCenter)
        button = Button(self._theme, "Open a recording", "folder", "primary")
        button.setObjectName("inspect_open_first_button")
        button.clicked.connect(self.choose_file)
        column.addSpacing(GRID_PX)
        column.addWidget(button, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        return page

    def _connect_controls(self) -> None:
        model, timeline, transport = self._model, self.timeline, self.transport
        self.heading.open_clicked.connect(self.choose_file)
        self.heading.last_dictation_clicked.connect(model.open_last_dictation)
        self.heading.page_chosen.connect(model.show_page)
        self.heading.export_clicked.connect(self.choose_export)
        self.notice.action_clicked.connect(self.notice.clear)
        transport.play_page_clicked.connect(self._play_page)
        transport.play_cursor_clicked.connect(self._play_from_cursor)
        transport.play_selection_clicked.connect(self._play_selection)
        transport.stop_clicked.connect(model.stop)
        transport.zoom_clicked.connect(timeline.zoom)
        transport.fit_clicked.connect(timeline.show_whole_page)
        timeline.cursor_moved.connect(self._read_out)
        timeline.code_clicked.connect(model.select_code)
        timeline.selection_changed.connect(lambda span: transport.show_selection(span is not None))
        timeline.play_requested.connect(self._toggle_playing)
        timeline.released.connect(self._release)
        self.mask_panel.seed_changed.connect(model.set_mask_seed)
        self.mask_panel.shows_masked_changed.connect(self._show_letters)
        self.codes_panel.code_clicked.connect(model.select_code)
        self.codes_panel.clear_clicked.connect(model.clear_code)
        self.codes_panel.play_clicked.connect(model.play_occurrences)
        self.codes_panel.step_clicked.connect(self._step_to_occurrence)

    def _connect_model(self) -> None:
        model = self._model
        model.opening.connect(self._show_opening)
        model.clip_changed.connect(self._show_clip)
        model.page_changed.connect(self._show_page)
        model.spectrogram_changed.connect(self._show_spectrogram)
        model.codes_changed.connect(self._show_codes)
        model.mask_changed.connect(self._show_mask)
        model.masked_changed.connect(self._show_masked)
        model.code_changed.connect(self._show_code)
        model.recognizer_changed.connect(self._show_recognizer)
        model.last_dictation_changed.connect(lambda: self.heading.show_last_dictation(model.last_dictation is not None))
        model.problem_found.connect(self._show_problem)
        model.warning_found.connect(lambda sentence: self.notice.say(sentence, "warning", "Dismiss"))
        model.playing_changed.connect(self.transport.show_playing)
        model.position_changed.connect(self._show_position)

    # Opening and saving

    def choose_file(self) -> None:
        """Ask for a recording."""
        name, _ = QFileDialog.getOpenFileName(self, "Open a recording", str(self._folder), AUDIO_FILES)
        if name:
            self.open_file(Path(name))

    def open_file(self, path: Path) -> None:
        """Look at a recording."""
        self._folder = path.parent
        self.notice.clear()
        self._model.open_file(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A local file may be dropped."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first local file."""
        names = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if names:
            event.acceptProposedAction()
            self.open_file(Path(names[0]))

    def choose_export(self, kind: str) -> None:
        """Ask where to save a picture or the frames (`kind` png, csv or json)."""
        if self._model.clip is None:
            self._show_problem("There is nothing to export yet: open a recording first")
            return
        suggestion = self._folder / f"{self._model.clip.path.stem}-inspected.{kind}"
        name, _ = QFileDialog.getSaveFileName(self, "Export", str(suggestion), FILTERS[kind])
        if name:
            path = Path(name)
            self.export(path if path.suffix else path.with_suffix(f".{kind}"))

    def export(self, path: Path) -> None:
        """Save a PNG of the screen, or the frames as CSV or JSON, by the name's ending."""
        try:
            if path.suffix.lower() == ".png":
                if not self.grab().save(str(path), "PNG"):
                    raise OSError(f"the folder {path.parent} cannot be written")
            elif (analysis := self._model.analysis) is not None:
                write_frames(analysis, path)
            else:
                self._show_problem("The frames are not known yet: wait until the codes are there")
                return
        except OSError as error:
            self._show_problem(f"{path.name} was not saved ({error}): choose another folder")
        else:
            self.notice.say(f"Saved {path.name}", "info", "Dismiss")

    # Showing the model

    def _show_recognizer(self) -> None:
        recognizer = self._model.recognizer
        self.mask_panel.show_mask(None if recognizer is None else recognizer.bundle.card, None)
        self._show_status()

    def _show_opening(self, name: str) -> None:
        self._opening = name
        self._show_status()

    def _show_clip(self) -> None:
        clip = self._model.clip
        self._opening = ""
        self.heading.show_clip(clip)
        self._pages.setCurrentIndex(0 if clip is None else 1)
        self.heading.export_button.setEnabled(clip is not None)
        if clip is not None:
            self.notice.clear()
            self.transport.show_pages(len(clip.pages) > 1)
            self.timeline.show_clip(clip)
            self.timeline.setFocus()

    def _show_page(self) -> None:
        clip, page = self._model.clip, self._model.page
        if clip is not None and page is not None:
            self.heading.show_page(clip, page)
            self.timeline.show_page(page)
            self._show_status()

    def _show_spectrogram(self) -> None:
        if self._model.spectrogram is not None:
            self.timeline.show_spectrogram(self._model.spectrogram)

    def _show_codes(self) -> None:
        codes = self._model.codes
        self.timeline.show_codes(None if codes is None else codes.code_ids)
        self.codes_panel.show_usage(None if codes is None else codes.usage)
        self._show_letters()
        self._show_status()

    def _show_mask(self) -> None:
        recognizer, mask = self._model.recognizer, self._model.mask
        self.timeline.show_mask(mask)
        self.mask_panel.show_mask(None if recognizer is None else recognizer.bundle.card, mask)

    def _show_masked(self) -> None:
        model = self._model
        masked = model.masked
        self.mask_panel.show_agreement(
            model.letters, None if masked is None else masked.letters, None if masked is None else masked.mask
        )
        self._show_letters()

    def _show_letters(self) -> None:
        """The letters that the mask panel asks for; until the masked ones are there, those of before stay."""
        model = self._model
        letters = model.letters
        if self.mask_panel.shows_masked and letters is not None:
            if model.masked is None:
                return
            letters = model.masked.letters
        vocabulary = None if model.recognizer is None else model.recognizer.bundle.vocabulary
        knows_phones = model.recognizer is not None and model.recognizer.bundle.phones is not None
        if letters is None:
            self.timeline.show_letters(None, (), vocabulary)
            self.timeline.show_phones((), knows_phones)
        else:
            self.timeline.show_letters(letters.probabilities, letters.words, vocabulary)
            self.timeline.show_phones(letters.phones, knows_phones)
        self._read_out(self.timeline.axis.cursor_s)

    def _show_code(self) -> None:
        model = self._model
        self.timeline.show_occurrences(model.selected_code, model.occurrences)
        self.codes_panel.show_selected(model.selected_code, model.occurrences)

    def _show_problem(self, sentence: str) -> None:
        self._opening = ""
        self._show_status()
        self.notice.say(sentence, "error", "Dismiss")

    def _show_status(self) -> None:
        model = self._model
        if self._opening:
            text = f"Reading {self._opening}…"
        elif model.clip is None:
            text = ""
        else:
            length = clock(model.clip.duration_s, 0.1)
            if model.recognizer is None:
                state = "no model yet: codes, letters and words follow when one is loaded"
            elif model.codes is None:
                state = "analysing…"
            else:
                state = f"read by {model.recognizer.bundle.card.name}"
            pages = ", analysed page by page" if len(model.clip.pages) > 1 else ""
            text = f"{length}{pages} · {state}"
        self.heading.show_status(text)

    def _show_position(self, time_s: float | None) -> None:
        self.timeline.show_position(time_s)
        if time_s is not None:
            self._read_out(time_s)
        else:
            self._read_out(self.timeline.axis.cursor_s)

    # The cursor

    def _read_out(self, time_s: float | None) -> None:
        reading = None if time_s is None else self.reading_at(time_s)
        self.cursor_panel.show_reading(reading)
        shown = () if reading is None else reading.under_mask if self.mask_panel.shows_masked else reading.letters
        self.timeline.stress_letters([name for name, share in shown if share >= LIKELY])

    def reading_at(self, time_s: float) -> Reading:
        """What is known about the frame at a time of the recording, seconds."""
        model = self._model
        frame = int(time_s / STRIDE_S + 1e-6)
        place = frame - (model.page.first_frame if model.page is not None else 0)
        codes = model.codes
        if codes is None or not 0 <= place < len(codes.code_ids):
            return Reading(time_s, frame)
        masked = model.masked
        shown = masked.letters if masked is not None and self.mask_panel.shows_masked else codes.letters
        word = next((word.word for word in shown.words if word.start_s <= time_s < word.end_s), "")
        return Reading(
            time_s,
            frame,
            tuple(int(code) for code in codes.code_ids[place]),
            word,
            bool(model.mask[place]) if model.mask is not None else False,
            self._ranking(codes.letters, place),
            self._ranking(masked.letters, place) if masked is not None else (),
        )

    def _ranking(self, letters: Letters, frame: int) -> Ranking:
        assert self._model.recognizer is not None
        vocabulary = self._model.recognizer.bundle.vocabulary
        ids, shares = top_letters(letters.probabilities[frame : frame + 1], TOP_LETTERS)
        return [
            (letter_name(vocabulary, int(token)), float(share)) for token, share in zip(ids[0], shares[0], strict=True)
        ]

    def _step_to_occurrence(self, direction: int) -> None:
        """To the start of the next place of the code, around the page's end to its other side."""
        model = self._model
        runs = model.occurrences
        if not runs or model.page is None:
            return
        frame = int((self.timeline.pinned_s or 0.0) / STRIDE_S + 1e-6) - model.page.first_frame
        starts = [start for start, _ in runs]
        if direction > 0:
            start = next((start for start in starts if start > frame), starts[0])
        else:
            start = next((start for start, end in reversed(runs) if end <= frame), starts[-1])
        self.timeline.pin((model.page.first_frame + start + 0.5) * STRIDE_S)

    def _release(self) -> None:
        self.timeline.select(None)
        self._model.clear_code()

    # Sound

    def _play_page(self) -> None:
        if self._model.page is not None:
            self._model.play_span(self._model.page.start_s, self._model.page.end_s)

    def _play_from_cursor(self) -> None:
        page, start_s = self._model.page, self.timeline.pinned_s
        if page is None:
            return
        inside = start_s is not None and page.start_s <= start_s < page.end_s - STRIDE_S
        self._model.play_span(start_s if inside and start_s is not None else page.start_s, page.end_s)

    def _play_selection(self) -> None:
        if self.timeline.selection is not None:
            self._model.play_span(*self.timeline.selection)

    def _toggle_playing(self) -> None:
        if self._model.is_playing:
            self._model.stop()
        elif self.timeline.selection is not None:
            self._play_selection()
        else:
            self._play_from_cursor()
