"""Whatever ends a run, and whenever: it goes on from a whole checkpoint, and ends as if nothing had been."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import config
from engine.config import RunConfig
from engine.events import Event, Failed, Finished, Started, Step, Warned
from engine.training.checkpoint import CheckpointError, is_damaged, load_checkpoint

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]
TRIALS = Path(__file__).with_name("crash_trials.py")
ROOT = Path(__file__).parents[3]
UPDATES, EVERY = 18, 2
LIVELY = ("data.gain_db=6", "data.noise_db=10", "data.speed=0.1", "loop.accumulate=2", "loop.batch_s=3")


def newest(folder: Path) -> Path:
    return sorted((folder / "checkpoints").glob("step-*.pt"))[-1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_at_any_moment_ends_as_one_that_never_was(tmp_path: Path, small_run: Build) -> None:
    run = small_run("pretrain", *LIVELY, f"loop.updates={UPDATES}", f"loop.checkpoint_every={EVERY}")
    config.save(config.with_settings(run, ["loop.evaluate_every=6"]), tmp_path / "run.json")
    order = [sys.executable, str(TRIALS), str(tmp_path / "run.json"), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(order, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lives = [json.loads(line) for line in done.stdout.splitlines()]
    injected = [life for life in lives[:6]]
    assert [life["signal"] for life in injected] == [9] * 6
    # half of the first file: nothing yet; half of the third: the second stands; and so on from there
    assert [(life["place"], life["next"]) for life in injected[:2]] == [("half", 0), ("half", 4)]
    for before, life in zip([{"next": 0}, *injected], injected, strict=False):
        assert life["next"] >= max(before["next"], life["told"])  # what was told of is there
        assert life["next"] <= life["told"] + EVERY
        assert life["left"] == []
    assert all(life["next"] >= life["told"] for life in lives)
    assert [(life["signal"], life["next"]) for life in lives[-2:]] == [(0, UPDATES)] * 2
    straight = load_checkpoint(newest(tmp_path / "straight"))
    for name in ("killed", "random"):
        survivor = load_checkpoint(newest(tmp_path / name))
        assert survivor.step == straight.step == UPDATES
        assert all(torch.equal(survivor.model[key], straight.model[key]) for key in straight.model)
        assert survivor.training is not None
        assert straight.training is not None
        states = [checkpoint.training["optimizer"]["state"] for checkpoint in (survivor, straight)]
        assert all(torch.equal(states[0][key]["exp_avg_sq"], states[1][key]["exp_avg_sq"]) for key in states[1])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_disk_without_room_ends_the_run_with_its_checkpoint_whole(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    """The kernel refuses the write itself, half way through the file."""
    run = small_run("pretrain", *LIVELY, "loop.evaluate_every=100")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (newest(tmp_path).stat().st_size // 2, hard))

    try:
        failed = train(run, tmp_path, listener=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert isinstance(failed, Failed)
    assert "step-00000003.pt" in failed.message
    assert "free some space" in failed.message
    assert "resume" in failed.message
    assert list((tmp_path / "checkpoints").glob("*.tmp")) == []
    assert newest(tmp_path).name == "step-00000002.pt"
    assert not is_damaged(newest(tmp_path))
    assert train(run, tmp_path, resume=True).step == 6
    assert [event.step for event in told(tmp_path, Started)] == [0, 2]


def test_a_file_with_a_hole_is_passed_over(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    """A power loss may leave the right length and zeros within it: torch alone would load them."""
    run = small_run("pretrain", *LIVELY, "loop.keep_checkpoints=3")
    train(run, tmp_path)
    whole = load_checkpoint(newest(tmp_path)).model
    content = bytearray(newest(tmp_path).read_bytes())
    name, values = max(whole.items(), key=lambda item: item[1].numel())
    start = content.find(values.numpy().tobytes())
    assert start > 0
    content[start : start + 64] = bytes(64)
    newest(tmp_path).write_bytes(content)
    assert not torch.equal(torch.load(newest(tmp_path), weights_only=True)["model"][name], values)
    with pytest.raises(CheckpointError, match="torn"):
        load_checkpoint(newest(tmp_path), verify=True)
    assert train(run, tmp_path, resume=True).step == 6
    assert [event.step for event in told(tmp_path, Started)] == [0, 5]
    assert "the checkpoint before it is used" in told(tmp_path, Warned)[-1].message
    again = load_checkpoint(newest(tmp_path)).model
    assert all(torch.equal(again[key], whole[key]) for key in whole)
