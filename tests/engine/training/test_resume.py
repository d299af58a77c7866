"""A run that was stopped and goes on is the same run, bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import RunConfig, with_settings
from engine.events import CheckpointSaved, Evaluation, Failed, Finished, Started, Step, Warned
from engine.training.checkpoint import load_checkpoint

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]
# everything that draws at random is on
LIVELY = (
    "data.gain_db=6",
    "data.noise_db=10",
    "data.speed=0.1",
    "data.join=0.5",
    "data.join_s=3",
    "loop.accumulate=2",
    "loop.batch_s=3",
    "data.workers=2",
)


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / f"checkpoints/step-{step:08d}.pt").model


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_three_and_three_updates_are_six(
    task: str, tmp_path: Path, small_run: Build, train: Train, told: Told, stop_at: Callable[..., Any]
) -> None:
    run = small_run(task, *LIVELY)
    straight, halves = tmp_path / "straight", tmp_path / "halves"
    assert train(run, straight).reason == "completed"
    stopped = train(run, halves, listener=stop_at(halves, 3))
    # the wish is heard after the update that follows it
    assert (stopped.reason, stopped.step) == ("stopped", 4)
    finished = train(run, halves, resume=True)
    assert (finished.reason, finished.step) == ("completed", 6)
    assert_equal(weights(straight, 6), weights(halves, 6))
    assert [event.step for event in told(halves, Started)] == [0, 4]
    losses = [{event.step: event.loss for event in told(folder, Step)} for folder in (straight, halves)]
    assert losses[0] == losses[1]
    evaluations = [[(e.step, e.loss, e.wer) for e in told(folder, Evaluation)] for folder in (straight, halves)]
    assert evaluations[0] == evaluations[1]


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    run = small_run("pretrain", "loop.keep_checkpoints=3", *LIVELY)
    train(run, tmp_path)
    newest = tmp_path / "checkpoints/step-00000006.pt"
    whole = weights(tmp_path, 6)
    newest.write_bytes(newest.read_bytes()[:-2000])
    assert train(run, tmp_path, resume=True).step == 6
    assert [event.step for event in told(tmp_path, Started)] == [0, 5]
    assert "step-00000006.pt is not a readable checkpoint" in told(tmp_path, Warned)[-1].message
    assert_equal(weights(tmp_path, 6), whole)


def test_nothing_to_resume_from_is_said(tmp_path: Path, small_run: Build, train: Train) -> None:
    failed = train(small_run("pretrain"), tmp_path, resume=True)
    assert isinstance(failed, Failed)
    assert "no checkpoint to resume from" in failed.message


def test_a_finished_run_goes_on_with_more_updates(tmp_path: Path, small_run: Build, train: Train) -> None:
    run = small_run("pretrain", "loop.updates=2")
    train(run, tmp_path)
    assert train(run, tmp_path, resume=True).step == 2
    assert train(with_settings(run, ["loop.updates=4"]), tmp_path, resume=True).step == 4


def test_only_the_newest_checkpoints_and_the_best_stay(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    train(small_run("pretrain", "loop.evaluate_every=2"), tmp_path)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best.pt", "step-00000005.pt", "step-00000006.pt"]
    best = min(told(tmp_path, Evaluation), key=lambda event: event.loss)
    checkpoint = load_checkpoint(tmp_path / "checkpoints/best.pt")
    assert checkpoint.step == best.step
    assert checkpoint.training is None
    assert [event.step for event in told(tmp_path, CheckpointSaved) if event.best][-1] == best.step
