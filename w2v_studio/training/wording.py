"""Numbers and states as people read them."""

from __future__ import annotations

import time

from w2v_studio.training.runs import RunState, RunSummary

TASK_WORDS = {"pretrain": "Pre-training", "finetune": "Fine-tuning"}
STATE_ROLES = {
    RunState.STARTING: "accent",
    RunState.RUNNING: "accent",
    RunState.STALLED: "warning",
    RunState.STOPPING: "warning",
    RunState.FINISHED: "good",
    RunState.STOPPED: "text_muted",
    RunState.FAILED: "error",
    RunState.CRASHED: "error",
}
"""State -> colour role of its chip."""

NOTHING = "–"


def duration(seconds: float) -> str:
    """`45 s`, `2 min`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def number(value: float | None, digits: int = 2) -> str:
    """A plain number, or a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def rate(value: float | None) -> str:
    """A learning rate: `4.8e-04`."""
    return NOTHING if value is None else f"{value:.1e}"


def moment(seconds: float) -> str:
    """When, shortly: the clock today, else the date."""
    then, now = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%d %b %Y", then)


def task_words(run: RunSummary) -> str:
    """`Pre-training`, `Fine-tuning`, or nothing where the folder does not say yet."""
    return TASK_WORDS.get(run.task, run.task)


def progress_words(run: RunSummary) -> str:
    """Where the run stands: `Step 120 of 600 · 3 min 20 s left`."""
    parts = [f"Step {run.step:,} of {run.updates:,}" if run.updates else "Loading data and model"]
    if run.reached_time_limit:
        parts.append("time limit reached")
    if run.state.is_active and run.eta_s is not None:
        parts.append(f"{duration(run.eta_s)} left")
    elif run.elapsed_s:
        parts.append(f"ran {duration(run.elapsed_s)}")
    return " · ".join(parts)
