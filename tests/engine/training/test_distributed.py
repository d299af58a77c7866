"""Two processes that torchrun starts learn what one process learns, stop together, fail with a reason, go on."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import config
from engine.commands.train import was_restarted
from engine.config import RunConfig
from engine.events import Evaluation, Failed, Finished, Started, Step, Warned
from engine.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch without gloo")
Told = Callable[..., list[Any]]
JOBS = Path(__file__).with_name("torchrun_jobs.py")
ROOT = Path(__file__).parents[3]
# The rate is so low that the weights stay: then every update's gradients can be compared.
STILL = ("optimizer.peak_lr=1e-12", "loop.batch_s=3", "loop.accumulate=3", "loop.updates=5", "data.noise_db=10")
MOVING = ("loop.batch_s=3", "loop.accumulate=4", "loop.updates=4", "loop.evaluate_every=2", "loop.checkpoint_every=2")
FSDP = "loop.sharding=fsdp"


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def alone(job: dict[str, Any]) -> dict[str, Any]:
    """The same job in this process."""
    spec = importlib.util.spec_from_file_location("torchrun_jobs", JOBS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result: dict[str, Any] = module.carry_out(job)
    return result


@pytest.fixture(scope="module")
def jobs() -> list[tuple[str, str, list[str], dict[str, Any]]]:
    """(name, task, settings, what else) of all that torchrun carries out in one go."""
    frozen = "ctc.freeze_updates=2"
    lively = "dropout.layerdrop=0.4"
    return [
        ("pretrain", "pretrain", [*STILL, lively, "objective.center_codes=true"], {}),
        ("finetune", "finetune", [*STILL, lively, frozen], {}),
        ("pretrain-fsdp", "pretrain", [*STILL, lively, "loop.accumulate=4", FSDP], {}),
        ("finetune-fsdp", "finetune", [*STILL, lively, "loop.accumulate=4", frozen, FSDP], {}),
        ("straight", "pretrain", [*MOVING], {}),
        ("half", "pretrain", [*MOVING], {"signal_rank": 1}),
        ("half", "pretrain", [*MOVING], {"resume": True, "own_folders": True}),
        ("fsdp-straight", "pretrain", [*MOVING, FSDP], {}),
        ("fsdp-half", "pretrain", [*MOVING, FSDP], {"signal_rank": 0}),
        ("fsdp-half", "pretrain", [*MOVING, FSDP], {"resume": True}),
        ("idle", "pretrain", ["loop.accumulate=1"], {}),
        ("infinite", "pretrain", ["loop.accumulate=2", "optimizer.peak_lr=1e30", "optimizer.warmup=0"], {}),
        ("broken", "pretrain", [*MOVING, "loop.updates=50"], {"broken_rank": 1}),
    ]


Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def results(
    jobs: list[tuple[str, str, list[str], dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory, corpus: Path
) -> tuple[Path, Results]:
    """The folder of all runs, and what the first process kept of each."""
    place = tmp_path_factory.mktemp("torchrun")
    orders = []
    for number, (name, task, settings, more) in enumerate(jobs):
        (place / name).mkdir(exist_ok=True)
        config.save(build(corpus, task, *settings), place / f"{number}.json")
        orders.append({"config": str(place / f"{number}.json"), "folder": str(place / name), **more})
    (place / "jobs.json").write_text(json.dumps(orders))
    config.save(build(corpus, "pretrain", *MOVING), place / "killed.json")
    data = ["--data", str(corpus / "train.tsv"), "--valid", str(corpus / "valid.tsv"), "--out", str(place / "killed")]
    command = ["pretrain", "--preset", str(place / "killed.json"), *data]
    order = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    order += ["--monitor-interval=0.1", str(JOBS), str(place / "jobs.json"), str(place), *command]
    with subprocess.Popen(order, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            said = process.communicate(timeout=280)[1]
        except BaseException:
            process.terminate()  # torchrun then ends its processes; killed, it would leave them
            raise
    assert process.returncode == 0, said[-3000:]
    found = {}
    for number, (name, *_) in enumerate(jobs):
        found[name] = torch.load(place / f"{number}-0.pt", weights_only=True)
        found[f"{name}, second process"] = torch.load(place / f"{number}-1.pt", weights_only=True)
        found[name]["config"] = orders[number]["config"]
    return place, found


def build(corpus: Path, task: str, *settings: str) -> RunConfig:
    """A run with a tiny network on the corpus."""
    values = {
        "task": task,
        "model": {
            "conv_channels": [8] * 7, "embed_dim": 16, "ffn_dim": 32, "layers": 3, "heads": 2, "position_kernel": 16,
            "position_groups": 4, "codebook_entries": 8, "codevector_dim": 16, "final_dim": 16,
        },
        "objective": {"negatives": 10, "penalty_weight": 0.1},
        "data": {"train": [str(corpus / "train.tsv")], "valid": [str(corpus / "valid.tsv")], "crop_s": 1.0},
        "loop": {"device": "cpu", "threads": 1, "log_every": 1, "evaluate_every": 100, "checkpoint_every": 100},
    }  # fmt: skip
    return config.with_settings(config.from_mapping(RunConfig, values), settings)


@pytest.mark.parametrize("name", ["pretrain", "finetune", "pretrain-fsdp", "finetune-fsdp"])
def test_two_processes_have_the_gradients_of_one(name: str, results: tuple[Path, Results], tmp_path: Path) -> None:
    """With every kind of noise on, uneven shares, and epochs whose batches do not divide."""
    _, found = results
    two = found[name]
    one = alone({"config": two["config"], "folder": str(tmp_path)})
    assert len(two["gradients"]) == len(one["gradients"]) == 5
    assert any(first != second for first, second in two["counts"])
    skipped = 0
    for update, (shared, own, counts) in enumerate(zip(two["gradients"], one["gradients"], two["counts"], strict=True)):
        assert sum(counts) == one["counts"][update][0]
        assert [grad is None for grad in shared] == [grad is None for grad in own]
        scale = max(float(grad.abs().max()) for grad in own if grad is not None)
        for first, second in zip(shared, own, strict=True):
            if second is None:
                skipped += 1
            else:
                assert torch.allclose(first, second, rtol=1e-5, atol=1e-5 * min(scale, 1.0)), update
    assert skipped > 0  # LayerDrop left some layers without a gradient, the same in all processes
    assert [grads for grads in found[f"{name}, second process"]["gradients"]] != []


def test_a_run_of_two_processes_reads_as_a_run_of_one(
    results: tuple[Path, Results], tmp_path: Path, told: Told
) -> None:
    place, found = results
    for name in ("straight", "fsdp-straight"):
        alone({"config": found[name]["config"], "folder": str(tmp_path / name)})
        two, one = ([e for e in told(folder, Step)] for folder in (place / name, tmp_path / name))
        assert [event.step for event in two] == [event.step for event in one] == [1, 2, 3, 4]
        for measure in ("loss", "accuracy", "code_perplexity", "contrastive_loss", "gradient_norm", "audio_s"):
            assert [getattr(e, measure) for e in two] == pytest.approx([getattr(e, measure) for e in one], rel=2e-3)
        passes = [told(folder, Evaluation) for folder in (place / name, tmp_path / name)]
        for shared, own in zip(*passes, strict=True):
            assert shared.loss == pytest.approx(own.loss, rel=2e-3)
            assert shared.code_perplexity == pytest.approx(own.code_perplexity, rel=2e-2)
        weights = [
            load_checkpoint(folder / "checkpoints/step-00000004.pt") for folder in (place / name, tmp_path / name)
        ]
        assert weights[0].model.keys() == weights[1].model.keys()
        assert all(torch.allclose(weights[0].model[key], weights[1].model[key], atol=2e-3) for key in weights[1].model)
        states = [checkpoint.training["optimizer"]["state"] for checkpoint in weights]
        assert [value["exp_avg"].shape for value in states[0].values()] == [
            value["exp_avg"].shape for value in states[1].values()
        ]
        (started,) = told(place / name, Started)
        assert started.device.startswith("2 x cpu")
        assert started.parameters == told(tmp_path / name, Started)[0].parameters


def test_all_stop_when_one_is_asked_and_go_on_exactly(results: tuple[Path, Results], told: Told) -> None:
    place, _ = results
    assert [event.step for event in told(place / "half", Started)] == [0, 2]
    assert [(event.step, event.reason) for event in told(place / "half", Finished)] == [
        (2, "stopped"),
        (4, "completed"),
    ]
    for straight, halves in (("straight", "half"), ("fsdp-straight", "fsdp-half")):
        first, second = (load_checkpoint(place / name / "checkpoints/step-00000004.pt") for name in (straight, halves))
        assert all(torch.equal(first.model[key], second.model[key]) for key in first.model)


def test_one_process_goes_on_with_the_run_of_two(
    results: tuple[Path, Results], told: Told, tmp_path: Path, corpus: Path
) -> None:
    place, _ = results
    config.save(build(corpus, "pretrain", *MOVING, "loop.updates=5"), tmp_path / "more.json")
    for name in ("straight", "fsdp-straight"):
        job = {"config": str(tmp_path / "more.json"), "folder": str(place / name), "resume": True}
        assert json.loads(alone(job)["end"])["step"] == 5
        assert told(place / name, Step)[-1].step == 5


def test_failures_end_all_processes_with_the_reason(results: tuple[Path, Results], told: Told) -> None:
    place, found = results
    (idle,) = told(place / "idle", Failed)
    assert "loop.accumulate=2" in idle.message
    (infinite,) = told(place / "infinite", Failed)
    assert "not a finite number" in infinite.message
    assert "not a finite number" in found["infinite, second process"]["end"]
    broken = told(place / "broken", Failed)[-1]
    assert "process 1: clip 7 is no audio" in broken.message
    (uneven,) = told(place / "pretrain", Warned)
    assert "3 micro-batches in an update do not divide by 2 processes" in uneven.message


def test_torchrun_starts_a_killed_run_again_and_it_goes_on(results: tuple[Path, Results], told: Told) -> None:
    """By the same command, without --resume: from the last checkpoint of the process that was killed."""
    run = results[0] / "killed"
    assert [event.step for event in told(run, Started)] == [0, 2]
    assert [(event.step, event.reason) for event in told(run, Finished)] == [(4, "completed")]
    straight, killed = (
        load_checkpoint(results[0] / name / "checkpoints/step-00000004.pt") for name in ("straight", "killed")
    )
    assert all(torch.equal(straight.model[key], killed.model[key]) for key in straight.model)


def test_a_restart_is_told_from_a_second_start(tmp_path: Path) -> None:
    assert not was_restarted(tmp_path, {})
    assert was_restarted(tmp_path, {"TORCHELASTIC_RESTART_COUNT": "1", "TORCHELASTIC_RUN_ID": "none"})
    first = {"TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_RUN_ID": "job-17"}
    assert not was_restarted(tmp_path, first)
    (tmp_path / "torchrun.txt").write_text("job-17")
    assert was_restarted(tmp_path, first)
    assert not was_restarted(tmp_path, first | {"TORCHELASTIC_RUN_ID": "job-18"})
    (tmp_path / "torchrun.txt").write_text("none")
    assert not was_restarted(tmp_path, first | {"TORCHELASTIC_RUN_ID": "none"})
