"""The screen Train: runs on the left, the chosen run or the form for a new one on the right."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from w2v_studio.theme import Theme
from w2v_studio.training.model import TrainingModel
from w2v_studio.training.new_run_form import NewRunForm
from w2v_studio.training.run_list import RunList
from w2v_studio.training.run_page import RunPage
from w2v_studio.training.runs import RunSummary
from w2v_studio.widgets.buttons import Button
from w2v_studio.widgets.card import Notice, styled_label

LIST_WIDTH_PX = 272


class TrainingView(QWidget):
    """Train: start, follow, stop, resume, fine-tune, use."""

    title = "Train"
    icon_name = "train"

    def __init__(self, model: TrainingModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._theme = model, theme
        self._offers_undo = False
        self.run_list = RunList(theme)
        self.new_run_button = Button(theme, "New run", "plus", "primary")
        self.new_run_button.setObjectName("new_run_button")
        self.form = NewRunForm(model, theme)
        self.page = RunPage(model, theme)
        self._empty = _empty_page()
        self._pages = QStackedWidget()
        for page in (self._empty, self.form, self.page):
            self._pages.addWidget(page)
        self.notice = Notice(theme)
        self.notice.setObjectName("train_notice")
        self._lay_out()
        self._connect()

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to watch when first seen: a person who only dictates pays nothing."""
        super().showEvent(event)
        self._model.open()
        self._model.read_manifests()

    def show_run(self, folder: Path) -> None:
        """Follow a run."""
        self._model.follow(folder)
        self.run_list.choose(folder)
        self._pages.setCurrentWidget(self.page)

    def show_form(self) -> None:
        """Ask for a new run."""
        self.run_list.choose(None)
        self._model.follow(None)
        self.form.set_runs(self._model.runs)
        self._pages.setCurrentWidget(self.form)

    def _lay_out(self) -> None:
        side = QWidget()
        side.setProperty("ground", "surface")
        side.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        side.setFixedWidth(LIST_WIDTH_PX)
        head = QHBoxLayout()
        head.addWidget(styled_label("Runs", "heading"))
        head.addStretch()
        head.addWidget(self.new_run_button)
        side_layout = QVBoxLayout(side)
        side_layout.setContentsMargins(12, 20, 12, 12)
        side_layout.setSpacing(12)
        side_layout.addLayout(head)
        side_layout.addWidget(self.run_list, 1)
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.notice)
        right.addWidget(self._pages, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(side)
        layout.addLayout(right, 1)

    def _connect(self) -> None:
        model = self._model
        self.new_run_button.clicked.connect(self.show_form)
        self.run_list.run_chosen.connect(self.show_run)
        self.form.run_started.connect(self.show_run)
        self.form.cancelled.connect(self._leave_form)
        self.page.finetune_requested.connect(self._finetune)
        self.notice.action_clicked.connect(self._answer_notice)
        model.runs_changed.connect(self._take_runs)
        model.problem_found.connect(lambda words: self._say(words))
        model.run_deleted.connect(lambda label: self._say(f"“{label}” was deleted.", undo=True))

    def _take_runs(self, runs: list[RunSummary]) -> None:
        self.run_list.set_runs(runs, self._model.followed)
        self.form.set_runs(runs)
        showing = self._pages.currentWidget()
        if showing is self.form or (showing is self.page and self._model.followed is not None):
            return
        if runs:
            active = next((run for run in runs if run.state.is_active), runs[0])
            self.show_run(active.folder)
        else:
            self._pages.setCurrentWidget(self._empty)

    def _leave_form(self) -> None:
        self._pages.setCurrentWidget(self._empty)
        self._take_runs(self._model.runs)

    def _finetune(self, run: RunSummary) -> None:
        self.show_form()
        self.form.finetune_from(run)

    def _say(self, words: str, undo: bool = False) -> None:
        self._offers_undo = undo
        self.notice.say(words, "info" if undo else "error", "Undo" if undo else "Dismiss")

    def _answer_notice(self) -> None:
        self.notice.clear()
        folder = self._model.undo_delete() if self._offers_undo else None
        if folder is not None:
            self.show_run(folder)


def _empty_page() -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.addStretch()
    for words, role in (
        ("No runs yet", "title"),
        ("Pre-train on speech without transcripts, then fine-tune on a little with them.", "muted"),
        ("A run goes on when the window is closed.", "muted"),
    ):
        label = styled_label(words, role)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(label)
    layout.addStretch()
    return page
