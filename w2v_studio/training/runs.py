"""A run as its folder tells it: state, progress, curves, samples, log. No Qt, and never writes."""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine import events
from w2v_studio.training.processes import ProcessIdentity, is_alive
from w2v_studio.training.run_notes import NOTES_FILE, read_notes
from w2v_studio.training.series import Points, Series

STALLED_AFTER_S = 60.0
"""A living process whose heartbeat is older than this does not answer; the engine beats every few seconds."""
LOG_TAIL_BYTES = 32_000
MANY_WARNINGS = 50
STEP_CURVES = ("loss", "accuracy", "code_perplexity", "prob_perplexity", "learning_rate", "throughput", "gradient_norm")
EVALUATION_CURVES = ("loss", "accuracy", "code_perplexity", "prob_perplexity", "wer", "cer", "per")


class RunState(enum.Enum):
    """What a run does now, or how it ended."""

    STARTING = "starting"
    RUNNING = "running"
    STALLED = "stalled"
    STOPPING = "stopping"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"

    @property
    def is_active(self) -> bool:
        """Whether a process works on the run."""
        return self in (RunState.STARTING, RunState.RUNNING, RunState.STALLED, RunState.STOPPING)


@dataclass(frozen=True)
class RunSummary:
    """A run at one moment, as a list shows it. `progress` is 0 to 1; `created` seconds since 1970.

    `checkpoint` is the newest, to resume from; `best` the best by evaluation, which an export takes.
    """

    folder: Path
    label: str
    task: str
    state: RunState
    step: int
    updates: int
    progress: float
    created: float
    message: str = ""
    eta_s: float | None = None
    elapsed_s: float = 0.0
    stop_requested_at: float | None = None
    process: ProcessIdentity | None = None
    checkpoint: Path | None = None
    checkpoint_step: int = 0
    best: Path | None = None
    reached_time_limit: bool = False

    @property
    def can_resume(self) -> bool:
        """Whether the run ended early and left a checkpoint to go on from."""
        ended_early = self.state in (RunState.STOPPED, RunState.CRASHED, RunState.FAILED)
        return ended_early and self.checkpoint is not None


@dataclass(frozen=True)
class RunDetail:
    """All of a run at one moment. `curves` maps a name (`valid_` before those of evaluations) to steps and values."""

    summary: RunSummary
    started: events.Started | None
    latest: events.Step | None
    evaluation: events.Evaluation | None
    curves: Mapping[str, Points]
    warnings: tuple[str, ...] = ()
    broken_lines: int = 0
    log: str = ""


@dataclass
class _Progress:
    """What the events so far say."""

    started: events.Started | None = None
    latest: events.Step | None = None
    evaluation: events.Evaluation | None = None
    ended: events.Finished | events.Failed | None = None
    step: int = 0
    checkpoint: events.CheckpointSaved | None = None
    best: events.CheckpointSaved | None = None
    warnings: list[str] = field(default_factory=list)


class RunRecord:
    """Follows one run's folder. `refresh` reads what is new; `summary` and `detail` give frozen pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader = events.EventReader(folder)
        self._told = _Progress()
        self._curves = {name: Series() for name in STEP_CURVES}
        self._curves |= {f"valid_{name}": Series() for name in EVALUATION_CURVES}
        self._created = _created(folder)
        self._stop_requested_at: float | None = None
        self._config: Mapping[str, object] = {}
        self._refreshed: RunSummary | None = None

    def refresh(self) -> RunSummary:
        """Read the folder again."""
        for event in self._reader.poll():
            self._take(event)
        if not self._config:
            self._config = _read_config(self.folder)
        notes = read_notes(self.folder)
        beat = _heartbeat(self.folder)
        process = _current(notes.process, beat[0] if beat else None)
        alive = process is not None and is_alive(process)
        state = self._state(process if alive else None, beat)
        told = self._told
        updates = told.started.updates if told.started else 0
        self._refreshed = RunSummary(
            folder=self.folder,
            label=notes.label or str(self._config.get("name") or "") or self.folder.name,
            task=told.started.task if told.started else str(self._config.get("task") or ""),
            state=state,
            step=told.step,
            updates=updates,
            progress=self._share_done(state, updates),
            created=self._created,
            message=self._message(state, beat),
            eta_s=told.latest.eta_s if told.latest and state.is_active else None,
            elapsed_s=told.latest.elapsed_s if told.latest else 0.0,
            stop_requested_at=self._stop_requested_at if state is RunState.STOPPING else None,
            process=process if alive else None,
            checkpoint=self.folder / told.checkpoint.path if told.checkpoint else None,
            checkpoint_step=told.checkpoint.step if told.checkpoint else 0,
            reached_time_limit=isinstance(told.ended, events.Finished) and told.ended.reason == "time_limit",
            best=self.folder / told.best.path if told.best else None,
        )
        return self._refreshed

    def detail(self) -> RunDetail:
        """Everything, as of the last refresh; the log is read now."""
        told = self._told
        return RunDetail(
            summary=self._refreshed or self.refresh(),
            started=told.started,
            latest=told.latest,
            evaluation=told.evaluation,
            curves={name: series.points() for name, series in self._curves.items()},
            warnings=tuple(told.warnings),
            broken_lines=len(self._reader.broken_lines),
            log=read_log_tail(self.folder),
        )

    def _take(self, event: events.Event) -> None:
        told = self._told
        match event:
            case events.Started():
                told.started, told.ended = event, None
                told.step = event.step
                self._stop_requested_at = None
                for series in self._curves.values():
                    series.cut_after(event.step)
            case events.Step():
                told.latest, told.step = event, event.step
                for name in STEP_CURVES:
                    self._curves[name].append(event.step, getattr(event, name))
            case events.Evaluation():
                told.evaluation = event
                for name in EVALUATION_CURVES:
                    self._curves[f"valid_{name}"].append(event.step, getattr(event, name))
            case events.CheckpointSaved():
                if event.best:
                    told.best = event
                if not event.best or told.checkpoint is None:
                    told.checkpoint = event
            case events.Warned():
                told.warnings = [*told.warnings, event.message][-MANY_WARNINGS:]
            case events.Finished() | events.Failed():
                told.ended = event
                told.step = max(told.step, event.step)
            case _:
                pass

    def _state(self, process: ProcessIdentity | None, beat: tuple[ProcessIdentity, float] | None) -> RunState:
        """From the last word of the run and from the process, if it lives."""
        ended, started = self._told.ended, self._told.started
        stop_file = self.folder / events.STOP_FILE
        if process is not None and stop_file.exists():
            self._stop_requested_at = self._stop_requested_at or _written_at(stop_file)
        began = process.started if process else 0.0
        if ended is not None and (process is None or ended.time >= began):
            self._stop_requested_at = None
            if isinstance(ended, events.Failed):
                return RunState.FAILED
            return RunState.STOPPED if ended.reason == "stopped" else RunState.FINISHED
        if process is None:
            return RunState.CRASHED
        if self._stop_requested_at is not None:
            return RunState.STOPPING
        if started is None or started.time < began:
            return RunState.STARTING
        beat_age_s = time.time() - beat[1] if beat else 0.0
        return RunState.STALLED if beat_age_s > STALLED_AFTER_S else RunState.RUNNING

    def _share_done(self, state: RunState, updates: int) -> float:
        told = self._told
        if state is RunState.FINISHED:
            return 1.0
        shares = [told.step / updates] if updates else [0.0]
        if told.latest and told.started and _time_limit_s(told.started):
            whole_s = told.latest.elapsed_s + told.latest.eta_s
            shares.append(told.latest.elapsed_s / whole_s if whole_s > 0 else 0.0)
        return min(1.0, max(shares))

    def _message(self, state: RunState, beat: tuple[ProcessIdentity, float] | None) -> str:
        ended = self._told.ended
        if state is RunState.FAILED and isinstance(ended, events.Failed):
            return ended.message
        if state is RunState.STALLED and beat is not None:
            return f"No sign of life for {time.time() - beat[1]:.0f} s; the process still exists."
        if state is RunState.CRASHED:
            saved = self._told.checkpoint
            kept = f"Saved at step {saved.step}." if saved else "Nothing was saved yet."
            return f"The process ended without a last word. {kept} The log may say why."
        return ""


def _read_config(folder: Path) -> Mapping[str, object]:
    try:
        values = json.loads((folder / events.CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _created(folder: Path) -> float:
    times = [_written_at(folder / name) for name in (events.CONFIG_FILE, NOTES_FILE, events.EVENTS_FILE)]
    return min((moment for moment in times if moment > 0), default=_written_at(folder))


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _heartbeat(folder: Path) -> tuple[ProcessIdentity, float] | None:
    """The process that beat last, and when (seconds since 1970)."""
    beat = events.read_heartbeat(folder)
    try:
        return (
            (ProcessIdentity(int(beat["pid"]), float(beat["process_started"])), float(beat["time"])) if beat else None
        )
    except (KeyError, TypeError, ValueError):
        return None


def _current(launched: ProcessIdentity | None, beating: ProcessIdentity | None) -> ProcessIdentity | None:
    """The later of the two. Where they are one process, as launched: its own clock starts after its first imports."""
    if launched is None or beating is None:
        return launched or beating
    return launched if launched.pid == beating.pid or launched.started > beating.started else beating


def _time_limit_s(started: events.Started) -> float:
    loop = started.config.get("loop")
    limit = loop.get("time_limit_s") if isinstance(loop, dict) else None
    return float(limit) if isinstance(limit, int | float) else 0.0


def read_log_tail(folder: Path) -> str:
    """The end of the run's log; a progress bar that redraws its line by carriage returns shows as its last state."""
    try:
        with (folder / events.LOG_FILE).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    if size > LOG_TAIL_BYTES:
        text = text.partition("\n")[2] or text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def is_run_folder(folder: Path) -> bool:
    """Whether a run lives, or was begun, in `folder`."""
    names = (events.EVENTS_FILE, events.CONFIG_FILE, NOTES_FILE)
    return folder.is_dir() and any((folder / name).is_file() for name in names)


class RunShelf:
    """All runs in one folder. `scan` reads what is new in each; keep it off the GUI thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records: dict[Path, RunRecord] = {}

    def scan(self) -> list[RunSummary]:
        """Summaries of all runs, newest first."""
        present = [path for path in self.folder.iterdir() if is_run_folder(path)] if self.folder.is_dir() else []
        self._records = {path: self._records.get(path) or RunRecord(path) for path in present}
        summaries = [record.refresh() for record in self._records.values()]
        return sorted(summaries, key=lambda run: (-run.created, run.folder.name))

    def detail(self, folder: Path) -> RunDetail | None:
        """All of one run as of the last scan; None where it is gone."""
        record = self._records.get(folder)
        return record.detail() if record else None
