"""The form from which a run starts: task, preset, data, start, length, device; all other settings on demand."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from engine.config import ConfigError, Task
from w2v_studio.theme import Theme
from w2v_studio.training import wording
from w2v_studio.training.dataset_picker import DatasetPicker
from w2v_studio.training.manifests import Manifest
from w2v_studio.training.model import TrainingModel
from w2v_studio.training.plan import Preset, RunPlan, shell_line
from w2v_studio.training.runs import RunSummary
from w2v_studio.training.settings_table import SettingsTable
from w2v_studio.widgets.buttons import Button, Picker
from w2v_studio.widgets.card import Card, styled_label

DEVICES = (("Automatic", "auto"), ("Processor (CPU)", "cpu"), ("Graphics card (CUDA)", "cuda"))
TASKS: tuple[tuple[Task, str, str], ...] = (
    ("pretrain", "Pre-train", "Learn from speech without transcripts"),
    ("finetune", "Fine-tune", "Learn to write from speech with transcripts"),
)


class NewRunForm(QWidget):
    """Puts a RunPlan together and starts it; `run_started` tells the new run's folder."""

    run_started = Signal(object)  # Path
    cancelled = Signal()

    def __init__(self, model: TrainingModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("new_run_form")
        self._model, self._theme = model, theme
        self._presets = model.presets()
        self._loading = False
        self._named_by_hand = False
        self._make_fields()
        self._lay_out()
        model.manifests_changed.connect(self._take_manifests)
        self.set_task("pretrain")

    # What is asked

    @property
    def task(self) -> Task:
        """pretrain or finetune."""
        return "finetune" if self.task_buttons["finetune"].isChecked() else "pretrain"

    def set_task(self, task: Task) -> None:
        """Switch the form to another task."""
        self.task_buttons[task].setChecked(True)
        self._loading = True
        self.preset_picker.clear()
        for preset in self._presets:
            if preset.config.task == task:
                self.preset_picker.addItem(preset.name, preset)
        self.dataset_picker.set_needs_transcripts(task == "finetune")
        self._loading = False
        self.set_runs(self._model.runs)
        self._take_preset()

    def set_runs(self, runs: list[RunSummary]) -> None:
        """Offer the runs that left a checkpoint as a start; what was picked stays picked."""
        wanted = self.start_picker.currentData()
        self.start_picker.blockSignals(True)
        self.start_picker.clear()
        self.start_picker.addItem("Random weights", None)
        for run in runs:
            if run.checkpoint is not None and (run.task == "pretrain" or self.task == "finetune"):
                self.start_picker.addItem(f"{run.label}, step {run.checkpoint_step:,}", run.folder)
        if self.task == "finetune":
            for folder in self._model.trainable_bundles():
                self.start_picker.addItem(f"{folder.name}, installed model", folder)
        if isinstance(wanted, Path) and self._place_of(wanted) < 0:
            self.start_picker.addItem(wanted.name, wanted)
        self.start_picker.addItem("Checkpoint file…", "file")
        self.start_picker.setCurrentIndex(max(0, self._place_of(wanted)))
        self.start_picker.blockSignals(False)
        self._busy.setVisible(any(run.state.is_active for run in runs))

    def _place_of(self, start: object) -> int:
        """Where `start` stands in the picker, -1 for nowhere. Qt's findData takes equal paths for different ones."""
        return next((at for at in range(self.start_picker.count()) if self.start_picker.itemData(at) == start), -1)

    def finetune_from(self, run: RunSummary) -> None:
        """Prepare a fine-tuning that starts from a pre-training."""
        self.set_task("finetune")
        self.start_picker.setCurrentIndex(max(0, self._place_of(run.folder)))

    def plan(self) -> RunPlan | None:
        """What the form asks for; None where there is no preset for the task."""
        preset = self.preset_picker.currentData()
        if not isinstance(preset, Preset):
            return None
        start = self.start_picker.currentData()
        return RunPlan(
            task=self.task,
            preset=preset,
            name=self.name_field.text().strip() or preset.name,
            train=self.dataset_picker.train_paths(),
            valid=self.dataset_picker.evaluation_paths(),
            start=start if isinstance(start, Path) else None,
            updates=self.updates_field.value() or None,
            time_limit_s=60.0 * self.minutes_field.value() or None,
            device=self.device_picker.currentData(),
            settings=self.settings_table.changes(),
        )

    # Building

    def _make_fields(self) -> None:
        self.task_buttons: dict[Task, Button] = {}
        self._task_group = QButtonGroup(self)
        for task, text, meaning in TASKS:
            button = Button(self._theme, text, kind="ghost")
            button.setCheckable(True)
            button.setObjectName(f"task_{task}_button")
            button.setToolTip(meaning)
            button.clicked.connect(lambda _=False, task=task: self.set_task(task))
            self._task_group.addButton(button)
            self.task_buttons[task] = button
        self.preset_picker = self._picker("preset_picker", "Preset")
        self.preset_picker.currentIndexChanged.connect(self._take_preset)
        self._expects = _wrapped("caption", "preset_expects")
        self.start_picker = self._picker("start_picker", "Start from")
        self.start_picker.currentIndexChanged.connect(self._take_start)
        self.name_field = QLineEdit()
        self.name_field.setObjectName("run_name")
        self.name_field.textEdited.connect(self._take_name)
        self.updates_field = _spin("updates_field", "Updates", 10_000_000)
        self.minutes_field = _spin("minutes_field", "Time limit", 60 * 24 * 30, " min")
        for field in (self.updates_field, self.minutes_field):
            field.valueChanged.connect(self._check)
        self.device_picker = self._picker("device_picker", "Device")
        for words, device in DEVICES:
            self.device_picker.addItem(words, device)
        self.device_picker.currentIndexChanged.connect(self._check)
        self.dataset_picker = DatasetPicker(self._theme)
        self.dataset_picker.choice_changed.connect(self._check)
        self.add_folder_button = Button(self._theme, "Add folder…", "folder")
        self.add_folder_button.setObjectName("add_folder_button")
        self.add_folder_button.clicked.connect(self._add_folder)
        self._chosen = _wrapped("caption", "chosen_data")
        self.settings_table = SettingsTable()
        self.settings_table.setVisible(False)
        self.settings_table.changed.connect(self._check)
        self.advanced_button = Button(self._theme, "All settings", "chevron_right", "ghost")
        self.advanced_button.setCheckable(True)
        self.advanced_button.setObjectName("advanced_button")
        self.advanced_button.toggled.connect(self._show_advanced)
        self.command_field = QPlainTextEdit(readOnly=True)
        self.command_field.setObjectName("command_line")
        self.command_field.setAccessibleName("The same as a command")
        self.command_field.setFixedHeight(76)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(12)
        self.command_field.document().setDefaultFont(font)
        self.copy_button = Button(self._theme, "Copy", "copy", "ghost")
        self.copy_button.setObjectName("copy_command_button")
        self.copy_button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.command_field.toPlainText()))
        self.problem = _wrapped("error", "train_problem")
        self._busy = _wrapped("warning", "train_busy")
        self._busy.setText("Another run is active; both will be slower.")
        self.start_button = Button(self._theme, "Start training", "play", "primary")
        self.start_button.setObjectName("train_start_button")
        self.start_button.clicked.connect(self._start)
        self.cancel_button = Button(self._theme, "Cancel")
        self.cancel_button.setObjectName("train_cancel_button")
        self.cancel_button.clicked.connect(self.cancelled)

    def _lay_out(self) -> None:
        tasks = QHBoxLayout()
        for button in self.task_buttons.values():
            tasks.addWidget(button)
        tasks.addStretch()
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for words, field in (
            ("Preset", self.preset_picker),
            ("", self._expects),
            ("Start from", self.start_picker),
            ("Name", self.name_field),
            ("Updates", self.updates_field),
            ("Time limit", self.minutes_field),
            ("Device", self.device_picker),
        ):
            label = styled_label(words, "label")
            label.setBuddy(field)
            form.addRow(label, field)
        what = Card()
        what.body.addLayout(tasks)
        what.body.addLayout(form)
        what.body.addStretch()

        data_head = QHBoxLayout()
        data_head.addWidget(styled_label("Data sets", "heading"))
        data_head.addStretch()
        data_head.addWidget(self.add_folder_button)
        data = Card()
        data.body.addLayout(data_head)
        data.body.addWidget(self.dataset_picker)
        data.body.addWidget(self._chosen)
        upper = QHBoxLayout()
        upper.setSpacing(12)
        what.setFixedWidth(316)
        data.setMinimumHeight(400)
        upper.addWidget(what)
        upper.addWidget(data, 1)

        command_head = QHBoxLayout()
        command_head.addWidget(styled_label("The same as a command", "label"))
        command_head.addStretch()
        command_head.addWidget(self.copy_button)
        more = Card()
        advanced_row = QHBoxLayout()
        advanced_row.addWidget(self.advanced_button)
        advanced_row.addStretch()
        more.body.addLayout(advanced_row)
        more.body.addWidget(self.settings_table)
        more.body.addLayout(command_head)
        more.body.addWidget(self.command_field)

        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(24, 20, 24, 12)
        inner.setSpacing(12)
        inner.addWidget(styled_label("New run", "title"))
        inner.addLayout(upper, 1)
        inner.addWidget(more)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(content)
        foot = QHBoxLayout()
        foot.setContentsMargins(24, 8, 24, 16)
        foot.setSpacing(8)
        remarks = QVBoxLayout()
        remarks.addWidget(self.problem)
        remarks.addWidget(self._busy)
        foot.addLayout(remarks, 1)
        foot.addWidget(self.cancel_button)
        foot.addWidget(self.start_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)

    def _picker(self, name: str, words: str) -> Picker:
        picker = Picker(self._theme, "", words)
        picker.setObjectName(name)
        return picker

    # Reacting

    def _take_manifests(self, manifests: list[Manifest]) -> None:
        self.dataset_picker.set_manifests(manifests)

    def _take_preset(self) -> None:
        preset = self.preset_picker.currentData()
        if self._loading:
            return
        if isinstance(preset, Preset):
            loop = preset.config.loop
            self._expects.setText(" ".join(preset.config.expects.split()))
            self.settings_table.set_preset(preset.config)
            self.updates_field.setSpecialValueText(f"as the preset: {loop.updates:,}")
            limit = f"{wording.duration(loop.time_limit_s)}" if loop.time_limit_s else "none"
            self.minutes_field.setSpecialValueText(f"as the preset: {limit}")
            if not self._named_by_hand:
                self.name_field.setText(preset.name)
        else:
            self._expects.setText("")
        self._check()

    def _take_start(self) -> None:
        if self.start_picker.currentData() == "file":
            chosen, _ = QFileDialog.getOpenFileName(self, "Start from a checkpoint", "", "Checkpoints (*.pt)")
            place = 0
            if chosen:
                place = self.start_picker.count() - 1
                self.start_picker.insertItem(place, Path(chosen).name, Path(chosen))
            self.start_picker.setCurrentIndex(place)
        self._check()

    def _take_name(self) -> None:
        self._named_by_hand = bool(self.name_field.text().strip())
        self._check()

    def _add_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a folder with data sets")
        if chosen:
            self._model.add_data_folder(Path(chosen))

    def _show_advanced(self, shown: bool) -> None:
        self.settings_table.setVisible(shown)
        self.advanced_button.set_icon_name("chevron_down" if shown else "chevron_right")

    def _check(self) -> None:
        """Say what is missing or wrong, and show the command."""
        if self._loading:
            return
        seconds = self.dataset_picker.train_seconds()
        sets = len(self.dataset_picker.train_paths())
        self._chosen.setText(f"{wording.duration(seconds)} of speech to train on" if sets else "")
        plan = self.plan()
        problem = self._model.missing_package() or ""
        if plan is None:
            problem = problem or f"There is no preset for this task in {self._model.presets_folder}."
            self.command_field.setPlainText("")
        else:
            try:
                plan.checked()
            except ConfigError as error:
                problem = problem or str(error)
            self.command_field.setPlainText(shell_line(self._model.command(plan)))
        self.problem.setText(problem)
        self.start_button.setEnabled(not problem)

    def _start(self) -> None:
        plan = self.plan()
        folder = self._model.start(plan) if plan is not None else None
        if folder is not None:
            self._named_by_hand = False
            self.run_started.emit(folder)


def _spin(name: str, words: str, most: int, suffix: str = "") -> QSpinBox:
    spin = QSpinBox(maximum=most, suffix=suffix)
    spin.setObjectName(name)
    spin.setAccessibleName(words)
    spin.setGroupSeparatorShown(True)
    spin.setMinimumHeight(36)
    spin.lineEdit().setTextMargins(10, 0, 0, 0)
    return spin


def _wrapped(role: str, name: str) -> QLabel:
    label = styled_label("", role)
    label.setObjectName(name)
    label.setWordWrap(True)
    return label
