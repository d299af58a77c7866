"""The engine and the export themselves, driven by the screen's model: pre-train, fine-tune, make a bundle."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.config import Task
from export.bundle import open_bundle
from w2v_studio.assets import resources_folder
from w2v_studio.training.model import TrainingModel
from w2v_studio.training.plan import RunPlan
from w2v_studio.training.runs import RunState, RunSummary

LONG_MS = 400_000
"""Some 40 s of work in all on an idle machine; a busy one may take many times that."""
SHORT_RUN = {
    "loop.batch_s": "3",
    "loop.threads": "1",
    "loop.log_every": "1",
    "loop.evaluate_every": "3",
    "loop.checkpoint_every": "3",
    "loop.time_limit_s": "0",
    "data.max_s": "3",
    "model.layers": "1",
    "model.position_kernel": "16",
}


def plan(model: TrainingModel, task: Task, data: Path, start: Path | None = None) -> RunPlan:
    preset = next(item for item in model.presets() if item.config.task == task)
    return RunPlan(task, preset, f"A {task}", (data,), (data,), start, updates=3, device="cpu", settings=SHORT_RUN)


def finished(qtbot: QtBot, model: TrainingModel, folder: Path | None) -> RunSummary:
    def over() -> bool:
        return any(run.folder == folder and not run.state.is_active for run in model.runs)

    qtbot.waitUntil(over, timeout=LONG_MS)
    run = next(run for run in model.runs if run.folder == folder)
    assert run.state is RunState.FINISHED, (run.message, (run.folder / "log.txt").read_text(encoding="utf-8"))
    return run


@pytest.mark.timeout(1200)
def test_from_speech_to_a_bundle(tmp_path: Path, qapp: QApplication, qtbot: QtBot) -> None:
    source = resources_folder() / "datasets" / "digits-mini"
    lines = (source / "train.tsv").read_text(encoding="utf-8").splitlines()[:13]
    manifest = tmp_path / "few.tsv"
    manifest.write_text("\n".join([lines[0], *(f"{source.as_posix()}/{line}" for line in lines[1:])]) + "\n", "utf-8")
    model = TrainingModel(tmp_path / "home", found_data=())
    problems: list[str] = []
    model.problem_found.connect(problems.append)
    model.open()
    try:
        first = finished(qtbot, model, model.start(plan(model, "pretrain", manifest)))
        assert first.best is not None or first.checkpoint is not None
        tuned = finished(qtbot, model, model.start(plan(model, "finetune", manifest, first.folder)))
        model.follow(tuned.folder)
        qtbot.waitUntil(lambda: model.detail is not None, timeout=LONG_MS)
        detail = model.detail
        assert detail is not None
        assert detail.curves["loss"][0].tolist() == [1, 2, 3]
        assert detail.evaluation is not None
        assert detail.evaluation.wer is not None
        assert detail.evaluation.samples
        with qtbot.waitSignal(model.bundle_ready, timeout=LONG_MS) as ready:
            model.use_model(tuned)
        assert open_bundle(Path(ready.args[0])).card.name == "A finetune"
        assert problems == []
    finally:
        model.close()
