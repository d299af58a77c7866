"""The training screen without its looks: runs and their processes, data sets, plans, exports."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from engine import events
from engine.config import ConfigError
from export import bundle as bundles
from w2v_studio import assets
from w2v_studio.background import Background
from w2v_studio.training import processes, run_notes
from w2v_studio.training.corrections import write_corrections_manifest
from w2v_studio.training.data_folders import DataFolders, checkout_data_folders
from w2v_studio.training.manifests import Manifest, find_manifests
from w2v_studio.training.plan import Preset, RunPlan, read_presets, resume_arguments, run_folder_name
from w2v_studio.training.processes import ProcessIdentity
from w2v_studio.training.runs import RunDetail, RunShelf, RunState, RunSummary
from w2v_studio.training.trash import Trash

POLL_MS = 500
STOP_GRACE_S = 30.0
EXPORT_LOG = "export-log.txt"
REFUSED = 2
"""The engine's exit status for an order that it cannot carry out."""


@dataclass(frozen=True)
class Programs:
    """The two command lines that training needs, as they are started from here."""

    engine: tuple[str, ...] = (sys.executable, "-m", "engine")
    export: tuple[str, ...] = (sys.executable, "-m", "export")
    working_folder: Path | None = field(default_factory=lambda: processes.module_home("engine"))


@dataclass
class _Export:
    process: subprocess.Popen[bytes]
    bundle: Path
    use: bool


class TrainingModel(QObject):
    """Runs live in `home`/runs, bundles in `home`/bundles. Files are read on a thread of its own."""

    runs_changed = Signal(list)  # list[RunSummary]
    detail_changed = Signal(object)  # RunDetail of the followed run, or None
    manifests_changed = Signal(list)  # list[Manifest]
    exports_changed = Signal()
    run_deleted = Signal(str)  # its label; undo_delete brings it back
    bundle_exported = Signal(str)  # folder of a new bundle
    bundle_ready = Signal(str)  # folder of a bundle that a person wants to dictate with
    problem_found = Signal(str)  # one sentence for people

    def __init__(
        self,
        home: Path | None = None,
        presets_folder: Path | None = None,
        found_data: Sequence[Path] | None = None,
        programs: Programs | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.home = home or assets.data_folder()
        self.runs_folder = self.home / "runs"
        self.bundles_folder = self.home / "bundles"
        self.presets_folder = presets_folder or assets.presets_folder()
        shipped = (assets.resources_folder() / "datasets", assets.samples_folder())
        found = (*shipped, *checkout_data_folders()) if found_data is None else tuple(found_data)
        self.data_folders = DataFolders(self.home, found)
        self.programs = programs or Programs()
        self.runs: list[RunSummary] = []
        self.detail: RunDetail | None = None
        self._shelf = RunShelf(self.runs_folder)
        self._trash = Trash(self.home / "trash")
        self._deleted: tuple[Path, Path] | None = None
        self._followed: Path | None = None
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._exports: dict[Path, _Export] = {}
        self._was_active: set[Path] = set()
        self._scanning = False
        self._background = Background(self)
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.refresh)

    # Life

    def open(self) -> None:
        """Begin to watch the runs; those of an earlier session are found again. A second call changes nothing."""
        if self._timer.isActive():
            return
        self._background.run(self._trash.empty, lambda _: None)
        self._timer.start()
        self.refresh()
        if (application := QCoreApplication.instance()) is not None:
            application.aboutToQuit.connect(self.close)

    def close(self) -> None:
        """Stop watching. Runs go on."""
        self._timer.stop()
        self._background.close()
        for child in (*self._children.values(), *(export.process for export in self._exports.values())):
            if child.poll() is None:
                child.returncode = 0  # it is meant to outlive us: Popen need not warn of it
        self._children.clear()
        self._exports.clear()

    @staticmethod
    def missing_package() -> str | None:
        """Why training cannot run in this installation, with the remedy; None where it can."""
        if importlib.util.find_spec("torch") is not None:
            return None
        return (
            "Training needs PyTorch, which is not installed here. In a checkout run: uv sync. "
            'Elsewhere: pip install "w2v-studio[train,export]".'
        )

    # Runs

    def refresh(self) -> None:
        """Look at the runs and at the children now; signals tell what changed."""
        for folder, child in list(self._children.items()):
            if child.poll() is not None:  # also reaps it
                del self._children[folder]
                self._tell_refusal(folder, child.returncode)
        self._look_at_exports()
        if not self._scanning:
            self._scanning = True
            followed = self._followed
            self._background.run(lambda: self._scan(followed), self._take_scan)

    def follow(self, folder: Path | None) -> None:
        """Whose details `detail_changed` tells."""
        self._followed = folder
        self.detail = None
        self.refresh()

    @property
    def followed(self) -> Path | None:
        """The run whose details are told."""
        return self._followed

    def command(self, plan: RunPlan) -> list[str]:
        """The whole command that starts `plan`."""
        return [*self.programs.engine, *plan.arguments(self._folder_for(plan))]

    def start(self, plan: RunPlan) -> Path | None:
        """Start a run; gives its folder. Tells a problem and gives None where it cannot start."""
        try:
            plan.checked()
        except ConfigError as error:
            self.problem_found.emit(str(error))
            return None
        folder = self._folder_for(plan)
        arguments = plan.arguments(folder)
        folder.mkdir(parents=True)
        return folder if self._launch(folder, arguments, plan.name) else None

    def resume(self, folder: Path) -> bool:
        """Let a run that ended early go on from its newest checkpoint."""
        (folder / events.STOP_FILE).unlink(missing_ok=True)
        return self._launch(folder, resume_arguments(folder), run_notes.read_notes(folder).label)

    def stop(self, folder: Path) -> None:
        """Ask a run to save and end."""
        events.request_stop(folder)
        self.refresh()

    def may_kill(self, run: RunSummary) -> bool:
        """Whether a run was asked to stop and has not done so within the grace period, or does not answer."""
        if run.state is RunState.STALLED:
            return True
        asked = run.stop_requested_at
        return run.state is RunState.STOPPING and asked is not None and time.time() - asked > STOP_GRACE_S

    def kill(self, run: RunSummary) -> None:
        """End a run's process now. What it did since its last checkpoint is lost."""
        if run.process is not None:
            processes.kill(run.process)
        (run.folder / events.STOP_FILE).unlink(missing_ok=True)
        self.refresh()

    def rename(self, folder: Path, label: str) -> None:
        """Give a run another name; its folder stays where it is, as its process may be writing there."""
        notes = run_notes.read_notes(folder)
        run_notes.write_notes(folder, run_notes.RunNotes(label.strip(), notes.pid, notes.started, notes.command))
        self.refresh()

    def delete(self, run: RunSummary) -> None:
        """Put a run away. Refused while a process works on it."""
        if run.state.is_active:
            self.problem_found.emit(f"“{run.label}” is still {run.state.value}: stop it first, then delete it.")
            return
        try:
            self._deleted = (run.folder, self._trash.put(run.folder))
        except OSError as error:
            self.problem_found.emit(f"“{run.label}” cannot be deleted: {error.strerror or error}.")
            return
        if self._followed == run.folder:
            self.follow(None)
        self.run_deleted.emit(run.label)
        self.refresh()

    def undo_delete(self) -> Path | None:
        """Bring the run deleted last back; gives its folder."""
        if self._deleted is None:
            return None
        (folder, place), self._deleted = self._deleted, None
        try:
            place.rename(folder)
        except OSError as error:
            self.problem_found.emit(f"The run cannot be brought back from {place}: {error.strerror or error}.")
            return None
        self.refresh()
        return folder

    # Data sets and presets

    def presets(self) -> list[Preset]:
        """The presets that ship, and those in `home`/presets, the smallest first."""
        return sorted((*read_presets(self.presets_folder), *read_presets(self.home / "presets")), key=_size)

    def read_manifests(self) -> None:
        """Look for data sets; `manifests_changed` tells them."""
        self._background.run(self._find_manifests, self.manifests_changed.emit)

    def add_data_folder(self, folder: Path) -> None:
        """Remember a folder of data sets, and look again."""
        self.data_folders.add(folder)
        self.read_manifests()

    # Bundles

    def bundle_of(self, run: RunSummary) -> Path | None:
        """The bundle exported from the run's best checkpoint; None where there is none or an older one."""
        card = self.bundles_folder / run.folder.name / bundles.CARD_FILE
        source = run.best or run.checkpoint
        try:
            fresh = source is None or card.stat().st_mtime >= source.stat().st_mtime
        except OSError:
            return None
        return card.parent if fresh else None

    def trainable_bundles(self) -> list[Path]:
        """Folders of installed models whose weights can be fine-tuned further, the user's own first."""
        places = (self.bundles_folder, assets.bundled_models_folder())
        return [found.parent for place in places for found in sorted(place.glob(f"[!.]*/{events.TRAINABLE_FILE}"))]

    def is_exporting(self, folder: Path) -> bool:
        """Whether a bundle is being made from the run."""
        return folder in self._exports

    def use_model(self, run: RunSummary) -> None:
        """Dictate with the run: export it if that was not done, then tell `bundle_ready`."""
        if (bundle := self.bundle_of(run)) is not None:
            self.bundle_ready.emit(str(bundle))
        elif run.folder in self._exports:
            self._exports[run.folder].use = True
        else:
            self.export(run, use=True)

    def export(self, run: RunSummary, use: bool = False) -> None:
        """Make a bundle of the run in a child process."""
        if run.folder in self._exports:
            return
        bundle = self.bundles_folder / run.folder.name
        self.bundles_folder.mkdir(parents=True, exist_ok=True)
        log = run.folder / EXPORT_LOG
        log.unlink(missing_ok=True)
        command = [*self.programs.export, str(run.folder), "--out", str(bundle), "--name", run.label, "--force"]
        try:
            child = processes.launch(command, log, self.programs.working_folder)
        except OSError as error:
            self.problem_found.emit(f"The export cannot be started: {error.strerror or error}.")
            return
        self._exports[run.folder] = _Export(child, bundle, use)
        self.exports_changed.emit()

    # Inside

    def _folder_for(self, plan: RunPlan) -> Path:
        taken = [path.name for path in self.runs_folder.iterdir()] if self.runs_folder.is_dir() else []
        return self.runs_folder / run_folder_name(plan.name, taken)

    def _launch(self, folder: Path, arguments: Sequence[str], label: str) -> bool:
        command = [*self.programs.engine, *arguments]
        began = time.time()
        try:
            child = processes.launch(command, folder / events.LOG_FILE, self.programs.working_folder)
        except OSError as error:
            self.problem_found.emit(f"The engine cannot be started with {command[0]}: {error.strerror or error}.")
            return False
        self._children[folder] = child
        identity = ProcessIdentity(child.pid, began)
        run_notes.write_notes(folder, run_notes.RunNotes(label, identity.pid, identity.started, tuple(command)))
        self._was_active.add(folder)
        self.refresh()
        return True

    def _tell_refusal(self, folder: Path, status: int) -> None:
        """A run that cannot go on says so in its log only: its events end with the earlier stop."""
        if status == REFUSED and (folder / events.EVENTS_FILE).is_file():
            why = _last_line(folder / events.LOG_FILE).removeprefix("w2v-engine: ")
            self.problem_found.emit(f"“{run_notes.read_notes(folder).label or folder.name}”: {why}")

    def _scan(self, followed: Path | None) -> tuple[list[RunSummary], RunDetail | None]:
        runs = self._shelf.scan()
        return runs, self._shelf.detail(followed) if followed else None

    def _take_scan(self, found: tuple[list[RunSummary], RunDetail | None]) -> None:
        self._scanning = False
        runs, detail = found
        if runs != self.runs:
            self.runs = runs
            self.runs_changed.emit(runs)
        self._export_what_finished(runs)
        if self._followed is not None and not self._followed.is_dir():
            self._followed = detail = None
        elif (detail.summary.folder if detail else None) != self._followed:
            self.refresh()  # another run was chosen meanwhile
            return
        self.detail = detail
        self.detail_changed.emit(detail)

    def _export_what_finished(self, runs: Sequence[RunSummary]) -> None:
        """A fine-tuning that ends under our eyes is made a bundle at once, so that dictating with it is one click."""
        for run in runs:
            ended_well = run.state is RunState.FINISHED and run.task == "finetune"
            if run.folder in self._was_active and ended_well and self.bundle_of(run) is None:
                self.export(run)
        self._was_active = {run.folder for run in runs if run.state.is_active}

    def _look_at_exports(self) -> None:
        for folder, export in list(self._exports.items()):
            status = export.process.poll()
            if status is None:
                continue
            del self._exports[folder]
            if status == 0 and (export.bundle / bundles.CARD_FILE).is_file():
                self.bundle_exported.emit(str(export.bundle))
                if export.use:
                    self.bundle_ready.emit(str(export.bundle))
            else:
                why = _last_line(folder / EXPORT_LOG).removeprefix("w2v-export: ")
                self.problem_found.emit(f"The export failed: {why}")
            self.exports_changed.emit()

    def _find_manifests(self) -> list[Manifest]:
        corrections = write_corrections_manifest(self.home)
        found = find_manifests(self.data_folders.all())
        own = corrections.path if corrections else None
        return [*([corrections] if corrections else []), *(item for item in found if item.path != own)]


def _size(preset: Preset) -> tuple[int, bool, bool, float]:
    """What a preset asks of the machine: the network, then the length of the run; a start comes first."""
    model, loop = preset.config.model, preset.config.loop
    starts = preset.config.objective.spectra
    return model.embed_dim * model.layers, loop.time_limit_s == 0, not starts, loop.updates * loop.batch_s


def _last_line(path: Path) -> str:
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"no reason given, see {path}"
