"""One run: how it stands, its curves, its samples and its log, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMenu,
    QProgressBar,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from engine.events import Evaluation, Step
from w2v_studio.theme import Theme
from w2v_studio.training import wording
from w2v_studio.training.log_view import LogView
from w2v_studio.training.model import TrainingModel
from w2v_studio.training.run_curves import RunCurves
from w2v_studio.training.runs import RunDetail, RunState, RunSummary
from w2v_studio.training.samples_table import SamplesTable
from w2v_studio.training.stat_tile import StatTile
from w2v_studio.widgets.buttons import Button
from w2v_studio.widgets.card import Card, Notice, styled_label

PROGRESS_STEPS = 1000
WARNINGS_SHOWN = 3


class RunPage(QWidget):
    """Shows the followed run of the model."""

    finetune_requested = Signal(object)  # RunSummary of a pre-training

    def __init__(self, model: TrainingModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._theme = model, theme
        self._run: RunSummary | None = None
        self._colours = ""
        self.title = styled_label("", "title")
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.chip = QLabel()
        self.chip.setObjectName("run_state")
        self._facts = styled_label("", "caption")
        self._facts.setWordWrap(True)
        self._progress = QProgressBar(maximum=PROGRESS_STEPS)
        self._progress.setTextVisible(False)
        self._where = styled_label("", "label")
        self._where.setObjectName("run_progress")
        self._notice = Notice(theme)
        self._notice.setObjectName("run_notice")
        self._curves = RunCurves(theme)
        self._samples = SamplesTable(theme)
        self._log = LogView()
        self._make_buttons()
        self._tiles = self._make_tiles()
        self._lay_out()
        model.detail_changed.connect(self.show_detail)
        model.exports_changed.connect(self._show_actions)
        theme.changed.connect(self._show_chip)

    def show_detail(self, detail: RunDetail | None) -> None:
        """Show the run as it is now."""
        if detail is None:
            return
        run = detail.summary
        if self._run is not None and self._run.folder != run.folder:
            self._curves.clear()
        self._run = run
        self.title.setText(run.label)
        self._facts.setText(_facts(detail))
        self._progress.setValue(round(PROGRESS_STEPS * run.progress))
        self._where.setText(wording.progress_words(run))
        self._show_chip()
        self._show_notice(detail)
        self._show_actions()
        self._show_tiles(run, detail.latest, detail.evaluation)
        self._curves.show_curves(run.task, detail.curves)
        self._samples.set_pairs(detail.evaluation.samples if detail.evaluation else [])
        self._samples_card.setVisible(run.task == "finetune")
        self._log.set_text(detail.log)

    def _make_buttons(self) -> None:
        self.stop_button = self._button("Stop and save", "train_stop_button", self._stop, "stop")
        self.stop_button.setToolTip("Finish the current step, save, and end. It can go on later.")
        self.kill_button = self._button("End now", "train_kill_button", self._kill, "alert", "danger")
        self.resume_button = self._button("Resume", "train_resume_button", self._resume, "play")
        self.finetune_button = self._button("Fine-tune this", "finetune_button", self._finetune, "train", "primary")
        self.use_model_button = self._button(
            "Use in Dictate", "use_model_button", self._use_model, "dictate", "primary"
        )
        self.more_button = self._button("More", "run_menu_button", None, kind="ghost")
        menu = QMenu(self.more_button)
        menu.addAction("Rename…", self._rename)
        menu.addAction("Open folder", self._open_folder)
        self._export_action = menu.addAction("Export as bundle", self._export)
        menu.addSeparator()
        self._delete_action = menu.addAction("Delete", self._delete)
        self.more_button.setMenu(menu)

    def _button(
        self, text: str, name: str, slot: Callable[[], None] | None, icon_name: str = "", kind: str = "secondary"
    ) -> Button:
        button = Button(self._theme, text, icon_name, kind, self)
        button.setObjectName(name)
        button.setVisible(text == "More")  # the others come with a run that they suit
        if slot is not None:
            button.clicked.connect(slot)
        return button

    def _make_tiles(self) -> dict[str, StatTile]:
        return {
            "loss": StatTile("Loss", ""),
            "first": StatTile("", ""),
            "second": StatTile("", ""),
            "rate": StatTile("Learning rate", "Step size of the optimizer at the last update"),
            "speed": StatTile("Audio per second", "Seconds of audio learned from in each second"),
            "time": StatTile("Time left", "At the present speed"),
        }

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        names = QVBoxLayout()
        names.setSpacing(2)
        first = QHBoxLayout()
        first.setSpacing(12)
        first.addWidget(self.title)
        first.addWidget(self.chip)
        first.addStretch()
        names.addLayout(first)
        names.addWidget(self._facts)
        head.addLayout(names, 1)
        for button in (
            self.kill_button,
            self.stop_button,
            self.resume_button,
            self.finetune_button,
            self.use_model_button,
            self.more_button,
        ):
            head.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        tiles = QHBoxLayout()
        tiles.setSpacing(8)
        for tile in self._tiles.values():
            tiles.addWidget(tile, 1)
        self._samples_card = _card("Sample transcripts", self._samples)
        lower = QSplitter(Qt.Orientation.Horizontal)
        lower.setChildrenCollapsible(False)
        lower.setHandleWidth(8)
        lower.addWidget(self._samples_card)
        lower.addWidget(_card("Log", self._log))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addWidget(self._progress)
        layout.addWidget(self._where)
        layout.addWidget(self._notice)
        layout.addLayout(tiles)
        layout.addWidget(self._curves, 3)
        layout.addWidget(lower, 2)

    def _show_chip(self) -> None:
        if self._run is None:
            return
        self.chip.setText(self._run.state.value)
        role = wording.STATE_ROLES[self._run.state]
        ground, ink = self._theme.colour(role), self._theme.colour(role).name()
        style = (
            f"color: {ink}; background: rgba({ground.red()},{ground.green()},{ground.blue()},36); "
            "border-radius: 10px; padding: 2px 10px; font-size: 12px; font-weight: 500;"
        )
        if style != self._colours:
            self._colours = style
            self.chip.setStyleSheet(style)

    def _show_notice(self, detail: RunDetail) -> None:
        run = detail.summary
        words = [run.message] if run.message else []
        if run.state is RunState.STOPPING:
            words.append("Stopping after the current step, then saving.")
            if self._model.may_kill(run):
                words.append(f"It does not answer. “End now” loses what it learned after step {run.checkpoint_step}.")
        if run.state is not RunState.FINISHED:
            words += detail.warnings[-WARNINGS_SHOWN:]
        if detail.broken_lines:
            words.append(f"{detail.broken_lines} unreadable lines in events.jsonl were skipped.")
        serious = run.state in (RunState.FAILED, RunState.CRASHED)
        self._notice.say("\n".join(words), "error" if serious else "warning")

    def _show_actions(self) -> None:
        run = self._run
        if run is None:
            return
        active, trained = run.state.is_active, run.checkpoint is not None
        exporting = self._model.is_exporting(run.folder)
        self.stop_button.setVisible(active)
        self.stop_button.setEnabled(run.state is not RunState.STOPPING)
        self.kill_button.setVisible(self._model.may_kill(run))
        self.resume_button.setVisible(run.can_resume)
        self.finetune_button.setVisible(run.task == "pretrain" and trained and not active)
        self.use_model_button.setVisible(run.task == "finetune" and trained and not active)
        self.use_model_button.setText("Exporting…" if exporting else "Use in Dictate")
        self.use_model_button.setEnabled(not exporting)
        self._export_action.setEnabled(run.task == "finetune" and trained and not exporting)
        self._delete_action.setEnabled(not active)

    def _show_tiles(self, run: RunSummary, latest: Step | None, evaluation: Evaluation | None) -> None:
        tiles, tuning = self._tiles, run.task == "finetune"
        tiles["loss"].set_name("Loss", f"Nats per {'sentence' if tuning else 'masked frame'}, on the training data")
        tiles["loss"].set_text(wording.number(latest.loss if latest else None))
        if tuning:
            tiles["first"].set_name("Word errors", "Share of wrong words in the evaluation data (WER)")
            tiles["first"].set_text(wording.percent(evaluation.wer if evaluation else None))
            tiles["second"].set_name("Letter errors", "Share of wrong characters in the evaluation data (CER)")
            tiles["second"].set_text(wording.percent(evaluation.cer if evaluation else None))
        else:
            tiles["first"].set_name("Accuracy", "How often the true frame is told from its distractors")
            tiles["first"].set_text(wording.percent(latest.accuracy if latest else None))
            tiles["second"].set_name("Code perplexity", "How many codes are in use, over all codebooks")
            tiles["second"].set_text(wording.number(latest.code_perplexity if latest else None, 1))
        tiles["rate"].set_text(wording.rate(latest.learning_rate if latest else None))
        tiles["speed"].set_text(f"{latest.throughput:.0f} s" if latest else wording.NOTHING)
        if run.state.is_active:
            tiles["time"].set_name("Time left", "At the present speed")
            tiles["time"].set_text(wording.NOTHING if run.eta_s is None else wording.duration(run.eta_s))
        else:
            tiles["time"].set_name("Time", "How long it trained, pauses left out")
            tiles["time"].set_text(wording.duration(run.elapsed_s) if run.elapsed_s else wording.NOTHING)

    # Commands

    def _stop(self) -> None:
        if self._run is not None:
            self._model.stop(self._run.folder)
            self.stop_button.setEnabled(False)

    def _kill(self) -> None:
        if self._run is not None:
            self._model.kill(self._run)

    def _resume(self) -> None:
        if self._run is not None:
            self._model.resume(self._run.folder)

    def _finetune(self) -> None:
        if self._run is not None:
            self.finetune_requested.emit(self._run)

    def _use_model(self) -> None:
        if self._run is not None:
            self._model.use_model(self._run)

    def _export(self) -> None:
        if self._run is not None:
            self._model.export(self._run)

    def _delete(self) -> None:
        if self._run is not None:
            self._model.delete(self._run)

    def _open_folder(self) -> None:
        if self._run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run.folder)))

    def _rename(self) -> None:
        if self._run is None:
            return
        label, accepted = QInputDialog.getText(self, "Rename run", "Name", text=self._run.label)
        if accepted and label.strip():
            self._model.rename(self._run.folder, label)


def _facts(detail: RunDetail) -> str:
    """What the run is made of, in one line."""
    run, started = detail.summary, detail.started
    parts = [wording.task_words(run)]
    if started is not None:
        parts += [
            f"{started.parameters / 1e6:.1f} M parameters",
            f"{started.train_clips:,} clips, {wording.duration(started.train_s)}",
            f"{started.device} {started.precision}",
        ]
    return " · ".join(part for part in parts if part)


def _card(title: str, content: QWidget) -> Card:
    card = Card()
    card.body.addWidget(styled_label(title, "label"))
    card.body.addWidget(content)
    return card
