"""What the loop does beside learning: stopping, saving, telling, failing."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from engine import events
from engine.config import RunConfig
from engine.data.audio import AudioCache
from engine.data.batches import FinetuningCollator, PretrainingCollator
from engine.data.examples import plan_examples
from engine.data.manifest import read_manifest
from engine.events import Evaluation, Event, Failed, Finished, Started, Step, Warned
from engine.text.vocabulary import Vocabulary
from engine.training import run_folder
from engine.training.run_folder import RunFolder, busy_process, holds_run
from engine.training.session import build_learner, evaluate_checkpoint
from engine.training.stopping import StopSignals

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_the_folder_tells_the_whole_run(task: str, tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    assert not holds_run(tmp_path)
    train(small_run(task), tmp_path)
    assert holds_run(tmp_path)
    all_events = told(tmp_path)
    started, last = all_events[0], all_events[-1]
    assert isinstance(started, Started)
    assert (started.task, started.train_clips, started.updates) == (task, 20, 6)
    assert started.train_s == pytest.approx(sum(0.5 + place / 20 for place in range(20)), abs=0.02)
    assert isinstance(last, Finished)
    assert (tmp_path / last.checkpoint).is_file()
    steps = told(tmp_path, Step)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert all(step.loss > 0 and step.throughput > 0 and step.gradient_norm > 0 for step in steps)
    assert steps[-1].eta_s == 0
    for step in steps:
        if task == "pretrain":
            parts = step.contrastive_loss + step.diversity_loss
            assert parts == pytest.approx(step.loss, rel=1e-5)
            assert 0 <= step.accuracy <= 1
            assert 2 <= step.code_perplexity <= 16.01
            assert step.gumbel_temperature == pytest.approx(2 * 0.999995 ** (step.step - 1))
        else:
            assert step.accuracy is None
            assert step.code_perplexity is None
    evaluations = told(tmp_path, Evaluation)
    assert [evaluation.step for evaluation in evaluations] == [3, 6]
    if task == "finetune":
        assert evaluations[0].wer is not None
        assert [sample[0] for sample in evaluations[0].samples] == ["EE E", "TT T", "AA A", "OO O", "NN N"]
    beat = events.read_heartbeat(tmp_path)
    assert beat is not None
    assert beat["pid"] == os.getpid()
    assert list((tmp_path / "tensorboard").glob("*")) == []


def test_evaluation_is_repeatable_and_does_not_touch_training(tmp_path: Path, small_run: Build, train: Train) -> None:
    train(small_run("pretrain", "loop.updates=2"), tmp_path / "rare")
    train(small_run("pretrain", "loop.updates=2", "loop.evaluate_every=1"), tmp_path / "often")
    places = [tmp_path / name / "checkpoints/step-00000002.pt" for name in ("rare", "often")]
    manifest = small_run("pretrain").data.valid
    first, again, often = (evaluate_checkpoint(place, manifest)[0] for place in (places[0], *places))
    assert (first.loss, first.accuracy, first.code_perplexity) == (again.loss, again.accuracy, again.code_perplexity)
    assert often.loss == first.loss


def test_perplexities_are_over_the_whole_pass(corpus: Path, small_run: Build) -> None:
    """However the pass is cut into batches, all masked frames count as one set."""
    run = small_run("pretrain")
    objective = build_learner(run).objective
    examples = plan_examples([read_manifest(corpus / "train.tsv")], run.data, 1, 0)[10:]
    collate = PretrainingCollator(run, AudioCache(), training=False)
    batches = [collate(examples[start : start + 2], 0, start) for start in range(0, 10, 2)]
    evaluation = objective.evaluate(batches, 0)
    objective.model.eval()
    counts = torch.zeros(2, 8)
    with torch.no_grad():
        for batch in batches:
            output = objective.model(
                torch.from_numpy(batch.waveform),
                torch.from_numpy(batch.time_mask),
                torch.from_numpy(batch.distractors),
                1.0,
            )
            for group in range(2):
                counts[group] += torch.bincount(output.code_ids[..., group].flatten(), minlength=8)
    shares = (counts / counts.sum(dim=1, keepdim=True)).numpy()
    wanted = sum(np.exp(-sum(p * np.log(p) for p in row if p > 0)) for row in shares)
    assert evaluation.code_perplexity == pytest.approx(wanted, rel=1e-4)


def test_micro_batches_add_up_to_one_large_batch(corpus: Path, small_run: Build) -> None:
    run = small_run("finetune", "dropout.layerdrop=0", "dropout.dropout=0", "dropout.attention=0", "dropout.input=0")
    objective = build_learner(run).objective
    objective.begin(0)
    examples = plan_examples([read_manifest(corpus / "train.tsv")], run.data, 1, 0)[:6]
    collate = FinetuningCollator(run, AudioCache(), False, Vocabulary.english())

    def gradients(groups: list[list[Any]]) -> dict[str, torch.Tensor]:
        objective.model.zero_grad()
        counts = 0
        for group in groups:
            part = objective.contribution(collate(group, 0, 0), 0)
            part.loss.backward()
            counts += part.count
        named = objective.model.named_parameters()
        return {name: value.grad / counts for name, value in named if value.grad is not None}

    whole, parts = gradients([examples]), gradients([examples[:1], examples[1:]])
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert torch.allclose(value, parts[name], rtol=1e-3, atol=1e-5), name


def test_head_alone_learns_at_first_and_convolutions_never(tmp_path: Path, small_run: Build, train: Train) -> None:
    run = small_run("finetune", "ctc.freeze_updates=2", "loop.keep_checkpoints=9", "dropout.layerdrop=0")
    before = {name: value.clone() for name, value in build_learner(run).objective.model.state_dict().items()}
    train(run, tmp_path)
    models = {
        step: torch.load(tmp_path / f"checkpoints/step-{step:08d}.pt", weights_only=True)["model"] for step in (2, 6)
    }
    changed = {step: {n for n in before if not torch.equal(before[n], models[step][n])} for step in models}
    assert changed[2] == {"head.weight", "head.bias"}
    assert any("feature_projection" in name for name in changed[6])
    assert any("encoder.layers.1" in name for name in changed[6])
    assert not any("feature_extractor" in name or "quantizer" in name for name in changed[6])


def test_ctrl_c_saves_and_ends(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    def press(event: Event) -> None:
        if isinstance(event, Step) and event.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with StopSignals() as signals:
        finished = train(small_run("pretrain"), tmp_path, listener=press, signals=signals)
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.checkpoint) == ("stopped", "checkpoints/step-00000003.pt")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    def press(event: Event) -> None:
        if isinstance(event, Step) and event.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    with StopSignals() as signals:
        failed = train(small_run("pretrain"), tmp_path, listener=press, signals=signals)
    assert isinstance(failed, Failed)
    assert "interrupted" in failed.message
    assert isinstance(told(tmp_path)[-1], Failed)


def test_the_stop_file_is_taken_away_and_an_old_one_ignored(
    tmp_path: Path, small_run: Build, train: Train, stop_at: Callable[..., Any]
) -> None:
    events.request_stop(tmp_path)
    stop = tmp_path / events.STOP_FILE
    os.utime(stop, (time.time() - 60, time.time() - 60))
    finished = train(small_run("pretrain"), tmp_path, listener=stop_at(tmp_path, 1))
    assert (finished.reason, finished.step) == ("stopped", 2)
    assert not stop.exists()


def test_a_time_limit_ends_the_run_with_the_schedule_at_its_end(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    run = small_run("pretrain", "loop.updates=100000", "loop.time_limit_s=2", "optimizer.warmup=0")
    assert train(run, tmp_path).reason == "time_limit"
    rates = [step.learning_rate for step in told(tmp_path, Step)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.6 * 2e-3
    assert rates[-1] < 0.4 * 2e-3
    assert told(tmp_path, Evaluation)[-1].step == told(tmp_path, Finished)[-1].step


def test_a_warm_up_counts_updates_even_against_the_clock(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    run = small_run("pretrain", "loop.updates=1000", "loop.time_limit_s=1", "optimizer.warmup=0.5")
    train(run, tmp_path)
    assert all(step.learning_rate <= 2e-3 * step.step / 500 + 1e-12 for step in told(tmp_path, Step))


def test_a_loss_that_is_not_a_number_names_the_clips_and_spares_the_checkpoint(
    tmp_path: Path, corpus: Path, small_run: Build, train: Train, told: Told
) -> None:
    # full-scale numbers beyond what float32 squares can hold: a learning rate that blows the weights up
    run = small_run("pretrain", "optimizer.peak_lr=1e30", "optimizer.warmup=0")
    failed = train(run, tmp_path)
    assert isinstance(failed, Failed)
    assert "not a finite number" in failed.message
    assert "train.tsv:" in failed.message
    assert "optimizer.peak_lr" in failed.message
    assert "Traceback" in (tmp_path / events.LOG_FILE).read_text()
    assert "Traceback" not in failed.message
    for path in (tmp_path / "checkpoints").glob("step-*.pt"):
        assert torch.load(path, weights_only=True)["step"] <= failed.step


def test_a_full_disk_is_told_and_the_checkpoint_before_stays(
    tmp_path: Path, small_run: Build, train: Train, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = run_folder.save_checkpoint

    def full(checkpoint: Any, path: Path) -> None:
        if checkpoint.step == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(checkpoint, path)

    monkeypatch.setattr(run_folder, "save_checkpoint", full)
    failed = train(small_run("pretrain", "loop.evaluate_every=100"), tmp_path)
    assert isinstance(failed, Failed)
    assert "No space left on device" in failed.message
    assert "step-00000003.pt" in failed.message
    assert "resume" in failed.message
    assert (tmp_path / "checkpoints/step-00000002.pt").is_file()
    monkeypatch.undo()
    assert train(small_run("pretrain"), tmp_path, resume=True).step == 6


def test_a_file_that_is_not_audio_fails_the_run_with_its_name(
    tmp_path: Path, corpus: Path, small_run: Build, train: Train
) -> None:
    text = (corpus / "train.tsv").read_text() + "broken.wav\t1.0\ts\tE\n"
    (corpus / "broken.tsv").write_text(text)
    (corpus / "broken.wav").write_bytes(b"RIFF nonsense")
    failed = train(small_run("pretrain", f"data.train={corpus / 'broken.tsv'}"), tmp_path)
    assert isinstance(failed, Failed)
    assert "broken.wav as audio" in failed.message


def test_a_collapsed_codebook_is_told_once_and_never_the_best(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    run = small_run("pretrain", "objective.center_codes=false", "model.codebook_entries=1", "loop.evaluate_every=2")
    train(run, tmp_path)
    (warning,) = told(tmp_path, Warned)
    assert "collapsed" in warning.message
    assert not (tmp_path / "checkpoints/best.pt").exists()
    assert told(tmp_path, Step)[-1].contrastive_loss == 0


def test_constant_and_silent_audio_train_without_nan(tmp_path: Path, small_run: Build, train: Train) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(32000, dtype=np.int16), 16000)
    (tmp_path / "m.tsv").write_text("path\tduration_s\n" + "silence.wav\t2.0\n" * 4)
    run = small_run("pretrain", f"data.train={tmp_path / 'm.tsv'}", "loop.updates=2", "data.noise_db=10")
    assert isinstance(train(run, tmp_path / "run"), Finished)


def test_a_living_process_keeps_its_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path):
        pass
    assert busy_process(tmp_path) is None  # ourselves
    parent = os.getppid()
    (tmp_path / events.HEARTBEAT_FILE).write_text(f'{{"pid": {parent}, "process_started": 1, "time": {time.time()}}}')
    assert busy_process(tmp_path) == parent
    (tmp_path / events.HEARTBEAT_FILE).write_text(f'{{"pid": {parent}, "process_started": 1, "time": 5}}')
    assert busy_process(tmp_path) is None
