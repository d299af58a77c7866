"""Runs as real child processes: started, followed, stopped, killed, resumed, found again."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine.config import Task
from w2v_studio.training import model as model_module
from w2v_studio.training.model import TrainingModel
from w2v_studio.training.plan import RunPlan
from w2v_studio.training.processes import process_start_time
from w2v_studio.training.runs import RunState, RunSummary

MakeModel = Callable[..., TrainingModel]
LONG_MS = 20_000


def plan(model: TrainingModel, tmp_path: Path, task: Task = "pretrain", name: str = "First try") -> RunPlan:
    preset = next(preset for preset in model.presets() if preset.config.task == task)
    return RunPlan(task, preset, name, (tmp_path / "speech" / "digits" / "train.tsv",))


def start(model: TrainingModel, tmp_path: Path, task: Task = "pretrain", name: str = "First try") -> Path:
    folder = model.start(plan(model, tmp_path, task, name))
    assert folder is not None
    return folder


def run_in(model: TrainingModel, folder: Path) -> RunSummary | None:
    return next((run for run in model.runs if run.folder == folder), None)


def wait_for(qtbot: QtBot, model: TrainingModel, folder: Path, state: RunState, step: int = 0) -> RunSummary:
    def reached() -> bool:
        run = run_in(model, folder)
        return run is not None and run.state is state and run.step >= step

    qtbot.waitUntil(reached, timeout=LONG_MS)
    run = run_in(model, folder)
    assert run is not None
    return run


def test_starts_follows_stops_with_state_saved_and_resumes(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    model = make_model()
    model.open()
    folder = start(model, tmp_path)
    model.follow(folder)
    run = wait_for(qtbot, model, folder, RunState.RUNNING, step=5)
    assert (run.label, run.task, folder.name) == ("First try", "pretrain", "First-try")
    qtbot.waitUntil(lambda: model.detail is not None and len(model.detail.curves["loss"][0]) >= 5, timeout=LONG_MS)
    assert model.detail is not None
    assert model.detail.log.startswith("learning pretrain")
    pid = run.process.pid if run.process else 0
    assert process_start_time(pid) is not None
    model.stop(folder)
    stopped = wait_for(qtbot, model, folder, RunState.STOPPED)
    assert stopped.checkpoint is not None
    assert stopped.checkpoint.is_file()
    qtbot.waitUntil(lambda: not model._children, timeout=LONG_MS)
    assert not Path(f"/proc/{pid}").exists()  # reaped, no zombie left

    assert model.resume(folder)
    again = wait_for(qtbot, model, folder, RunState.RUNNING, step=5)
    assert again.label == "First try"
    assert again.process is not None
    assert again.process.pid != pid


def test_a_crash_is_told_from_an_end(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    model = make_model("crash")
    model.open()
    folder = start(model, tmp_path)
    model.follow(folder)
    run = wait_for(qtbot, model, folder, RunState.CRASHED)
    assert run.can_resume
    qtbot.waitUntil(lambda: model.detail is not None and "Segmentation fault" in model.detail.log, timeout=LONG_MS)


def test_a_run_that_ignores_stop_may_be_killed_after_the_grace_period(
    make_model: MakeModel, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model("deaf")
    model.open()
    folder = start(model, tmp_path)
    wait_for(qtbot, model, folder, RunState.RUNNING, step=5)
    model.stop(folder)
    run = wait_for(qtbot, model, folder, RunState.STOPPING)
    assert not model.may_kill(run)
    monkeypatch.setattr(model_module, "STOP_GRACE_S", 0.0)
    assert model.may_kill(run)
    model.kill(run)
    crashed = wait_for(qtbot, model, folder, RunState.CRASHED)
    assert crashed.checkpoint_step == 4
    assert not (folder / "stop").exists()


def test_runs_outlive_the_window_and_are_found_again(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    first = make_model()
    first.open()
    folder = start(first, tmp_path)
    wait_for(qtbot, first, folder, RunState.RUNNING)
    child = first._children[folder]
    first.close()

    second = make_model()
    second.open()
    run = wait_for(qtbot, second, folder, RunState.RUNNING, step=5)
    assert run.process is not None
    assert run.process.pid == child.pid
    second.stop(folder)
    wait_for(qtbot, second, folder, RunState.STOPPED)
    child.returncode = None
    child.wait(timeout=10)


def test_a_finished_fine_tuning_becomes_a_bundle_to_dictate_with(
    make_model: MakeModel, tmp_path: Path, qtbot: QtBot
) -> None:
    model = make_model("short")
    model.open()
    with qtbot.waitSignal(model.bundle_exported, timeout=LONG_MS) as exported:
        folder = start(model, tmp_path, "finetune", "My digits")
    run = wait_for(qtbot, model, folder, RunState.FINISHED)
    assert exported.args == [str(tmp_path / "home" / "bundles" / "My-digits")]
    with qtbot.waitSignal(model.bundle_ready, timeout=LONG_MS) as ready:
        model.use_model(run)
    assert ready.args == exported.args


def test_a_refused_export_says_why(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    model = make_model("short", export="bad")
    model.open()
    with qtbot.waitSignal(model.problem_found, timeout=LONG_MS) as problem:
        start(model, tmp_path, "finetune")
    assert problem.args == ["The export failed: torch and ONNX differ by 0.3, above 0.0001"]


def test_deleting_is_refused_while_running_and_can_be_undone(
    make_model: MakeModel, tmp_path: Path, qtbot: QtBot
) -> None:
    model = make_model("short")
    model.open()
    folder = start(model, tmp_path)
    run = wait_for(qtbot, model, folder, RunState.RUNNING)
    with qtbot.waitSignal(model.problem_found) as problem:
        model.delete(run)
    assert "stop it first" in problem.args[0]
    run = wait_for(qtbot, model, folder, RunState.FINISHED)
    model.delete(run)
    assert not folder.exists()
    qtbot.waitUntil(lambda: model.runs == [], timeout=LONG_MS)
    assert model.undo_delete() == folder
    assert wait_for(qtbot, model, folder, RunState.FINISHED).step == run.step
    model.rename(folder, "Better name")
    qtbot.waitUntil(lambda: model.runs[0].label == "Better name", timeout=LONG_MS)


def test_a_plan_that_cannot_run_starts_nothing(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    model = make_model()
    empty = RunPlan("pretrain", model.presets()[0], "x", ())
    with qtbot.waitSignal(model.problem_found) as problem:
        assert model.start(empty) is None
    assert "data set" in problem.args[0]
    assert not model.runs_folder.exists()


def test_an_engine_that_is_missing_is_told(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    model = make_model()
    model.programs = model_module.Programs(engine=(str(tmp_path / "no-engine"),))
    with qtbot.waitSignal(model.problem_found) as problem:
        assert model.start(plan(model, tmp_path)) is None
    assert "no-engine" in problem.args[0]


def test_finds_data_sets_in_the_background(make_model: MakeModel, tmp_path: Path, qtbot: QtBot) -> None:
    model = make_model()
    began = time.perf_counter()
    with qtbot.waitSignal(model.manifests_changed, timeout=LONG_MS) as found:
        model.read_manifests()
        assert time.perf_counter() - began < 0.1
    assert [manifest.name for manifest in found.args[0]] == ["digits/many", "digits/train"]
