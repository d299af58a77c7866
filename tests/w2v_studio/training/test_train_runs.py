"""A recorded run replayed into RunRecord; the states that folder and process give together."""

import json
import os
import time
from pathlib import Path

import pytest

from engine import events
from w2v_studio.training.processes import process_start_time
from w2v_studio.training.run_notes import RunNotes, write_notes
from w2v_studio.training.runs import STALLED_AFTER_S, RunRecord, RunShelf, RunState, read_log_tail


def started(step: int = 0, at: float = 1000.0, updates: int = 100, **config: object) -> events.Started:
    return events.Started(
        events.PROTOCOL_VERSION, "pretrain", dict(config), step, updates, "cpu", "fp32", 1_000_000, 10, 60.0, time=at
    )


def step(number: int, loss: float | None = 5.0) -> events.Step:
    return events.Step(number, loss, 1e-4, 30.0, number * 1.0, 100.0 - number, accuracy=0.25, code_perplexity=50.0)


def record(folder: Path, *happened: events.Event, tail: str = "") -> RunRecord:
    folder.mkdir(exist_ok=True)
    with (folder / events.EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.writelines(events.to_line(event) + "\n" for event in happened)
        file.write(tail)
    return RunRecord(folder)


def beat(folder: Path, pid: int, process_started: float, age_s: float = 0.0) -> None:
    values = {"pid": pid, "process_started": process_started, "time": time.time() - age_s}
    (folder / events.HEARTBEAT_FILE).write_text(json.dumps(values), encoding="utf-8")


def own_start() -> float:
    moment = process_start_time(os.getpid())
    assert moment is not None
    return moment


def test_replays_a_recorded_run(tmp_path: Path) -> None:
    run = record(
        tmp_path / "run",
        started(),
        step(10, 6.0),
        step(20, None),
        step(30, 4.0),
        events.Evaluation(30, 4.5, accuracy=0.3),
        events.CheckpointSaved(30, "checkpoints/step-00000030.pt", best=True),
        events.Warned("the loss was not a number in 1 update", 20),
        events.Finished(30, "stopped", "checkpoints/step-00000030.pt", time=2000.0),
    )
    detail = run.detail()
    assert detail.summary.state is RunState.STOPPED
    assert detail.summary.can_resume
    assert detail.summary.checkpoint == tmp_path / "run" / "checkpoints" / "step-00000030.pt"
    assert detail.summary.progress == pytest.approx(0.3)
    assert detail.curves["loss"][0].tolist() == [10, 30]
    assert detail.curves["loss"][1].tolist() == [6.0, 4.0]
    assert detail.curves["valid_loss"][1].tolist() == [4.5]
    assert detail.warnings == ("the loss was not a number in 1 update",)


def test_torn_unknown_and_broken_lines_do_no_harm(tmp_path: Path) -> None:
    folder, line = tmp_path / "run", events.to_line(step(20))
    run = record(folder, started(), step(10), tail=line[:60])
    assert run.refresh().step == 10
    with (folder / events.EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.write(line[60:] + "\n")  # the torn line gets its end
        file.write('{"event": "confetti", "colour": "red"}\nnonsense\n{"event": "step", "step": 25, "lo\n')
        file.write(events.to_line(step(30)) + "\n")
    assert run.refresh().step == 30
    detail = run.detail()
    assert detail.curves["loss"][0].tolist() == [10, 20, 30]
    assert detail.broken_lines == 2


def test_a_resumed_run_forgets_the_steps_it_does_again(tmp_path: Path) -> None:
    run = record(tmp_path / "run", started(), step(10, 6.0), step(20, 5.0), started(step=10, at=3000.0), step(12, 5.5))
    assert run.refresh().step == 12
    assert run.detail().curves["loss"][0].tolist() == [10, 12]


@pytest.mark.parametrize(
    ("reason", "state"),
    [("completed", RunState.FINISHED), ("time_limit", RunState.FINISHED), ("stopped", RunState.STOPPED)],
)
def test_a_last_word_tells_how_it_ended(tmp_path: Path, reason: str, state: RunState) -> None:
    run = record(tmp_path / "run", started(), step(40), events.Finished(40, reason, "checkpoints/a.pt"))
    summary = run.refresh()
    assert summary.state is state
    assert summary.progress == pytest.approx(1.0 if state is RunState.FINISHED else 0.4)


def test_a_failure_gives_its_reason(tmp_path: Path) -> None:
    run = record(tmp_path / "run", started(), events.Failed("out of memory: lower loop.batch_s"))
    assert run.refresh().state is RunState.FAILED
    assert run.refresh().message == "out of memory: lower loop.batch_s"


def test_no_last_word_and_no_process_is_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = record(folder, started(at=time.time() - 10), step(10), events.CheckpointSaved(10, "checkpoints/a.pt"))
    beat(folder, 2**22 + 1, time.time() - 10)
    assert run.refresh().state is RunState.CRASHED
    assert run.refresh().can_resume
    assert "step 10" in run.refresh().message


def test_a_process_number_used_again_is_not_the_run(tmp_path: Path) -> None:
    """The heartbeat names our own pid, but a process that began an hour before ours."""
    folder = tmp_path / "run"
    run = record(folder, started(at=own_start() - 3600), step(10))
    beat(folder, os.getpid(), own_start() - 3600)
    assert run.refresh().state is RunState.CRASHED


def test_living_process_runs_stalls_and_stops(tmp_path: Path) -> None:
    """Re-attached to by pid and start time alone: the process here is the test's own."""
    folder = tmp_path / "run"
    run = record(folder, started(at=own_start() + 1), step(10))
    beat(folder, os.getpid(), own_start())
    assert run.refresh().state is RunState.RUNNING
    assert run.refresh().eta_s == pytest.approx(90.0)
    beat(folder, os.getpid(), own_start(), age_s=STALLED_AFTER_S + 30)
    assert run.refresh().state is RunState.STALLED
    events.request_stop(folder)
    assert run.refresh().state is RunState.STOPPING
    (folder / events.STOP_FILE).unlink()  # the engine took notice, and saves
    assert run.refresh().state is RunState.STOPPING
    record(folder, events.Finished(11, "stopped", "checkpoints/a.pt"))
    assert run.refresh().state is RunState.STOPPED


def test_before_the_first_heartbeat_the_notes_name_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_notes(folder, RunNotes("My first", os.getpid(), own_start(), ("engine",)))
    summary = RunRecord(folder).refresh()
    assert (summary.state, summary.label) == (RunState.STARTING, "My first")


def test_a_resumed_process_is_starting_though_the_last_word_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = record(folder, started(), step(10), events.Finished(10, "stopped", "a.pt", time=own_start() - 60))
    write_notes(folder, RunNotes("again", os.getpid(), own_start()))
    assert run.refresh().state is RunState.STARTING


def test_progress_follows_the_clock_where_a_time_limit_ends_the_run(tmp_path: Path) -> None:
    run = record(tmp_path / "run", started(updates=100_000, loop={"time_limit_s": 100.0}), step(50))
    assert run.refresh().progress == pytest.approx(0.5)


def test_log_tail_shows_the_last_state_of_a_progress_bar(tmp_path: Path) -> None:
    text = "loading\n" + "\r".join(f"{number} %" for number in range(50_000)) + "\ndone\n"
    (tmp_path / events.LOG_FILE).write_text(text, encoding="utf-8", newline="")
    assert read_log_tail(tmp_path) == "done\n"
    (tmp_path / events.LOG_FILE).write_text("loading\n1 %\r2 %\r\ndone\n", encoding="utf-8", newline="")
    assert read_log_tail(tmp_path) == "loading\n2 %\ndone\n"


def test_shelf_lists_runs_newest_first_and_drops_those_gone(tmp_path: Path) -> None:
    for place, name in enumerate(("old", "new")):
        record(tmp_path / name, started())
        os.utime(tmp_path / name / events.EVENTS_FILE, (1000 + place, 1000 + place))
    (tmp_path / "no-run").mkdir()
    shelf = RunShelf(tmp_path)
    assert [run.folder.name for run in shelf.scan()] == ["new", "old"]
    (tmp_path / "new").rename(tmp_path.parent / "elsewhere")
    assert [run.folder.name for run in shelf.scan()] == ["old"]
    assert shelf.detail(tmp_path / "new") is None
