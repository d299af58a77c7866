"""Small models that go wrong in earnest, and one that does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine.config import RunConfig
from engine.events import Failed, Finished, Step, Warned
from engine.training.doctor import Doctor, Episode, NormBand, Window

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]
RARELY = ("loop.evaluate_every=1000", "loop.checkpoint_every=1000", "data.valid=")


def warnings(told: Told, folder: Path, part: str) -> list[Warned]:
    return [event for event in told(folder, Warned) if part in event.message]


def manifest(folder: Path, waves: list[np.ndarray], transcript: str = "EE E") -> str:
    """A manifest of these sounds; its path."""
    lines = ["path\tduration_s\tspeaker\ttranscript"]
    for place, wave in enumerate(waves):
        soundfile.write(folder / f"{place}.wav", wave, 16000)
        lines.append(f"{place}.wav\t{len(wave) / 16000}\ts\t{transcript}")
    (folder / "m.tsv").write_text("\n".join(lines) + "\n")
    return str(folder / "m.tsv")


def test_constant_audio_makes_identical_distractors(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    """Every clip is one level from end to end: whole rows get one code, and its frames cannot be told apart."""
    levels = [np.full(16000, level) for level in np.linspace(-0.9, 0.9, 8)]
    peaked = ("model.conv_channels=16,16,16,16,16,16,256", "model.codebook_entries=32")  # noise seldom flips a code
    many = ("loop.batch_s=8", "loop.updates=16", "loop.log_every=2")
    run = small_run("pretrain", f"data.train={manifest(tmp_path, levels)}", *RARELY, *peaked, *many)
    train(run, tmp_path / "run")
    steps = told(tmp_path / "run", Step)
    assert steps[-1].contrastive_loss < 0.6 * steps[0].contrastive_loss  # which looks like learning
    (warning,) = warnings(told, tmp_path / "run", "is an illusion")
    share = float(warning.message.split(" is an illusion: ")[1].split("%")[0])
    assert share > 50
    assert "silent, constant or repeated audio" in warning.message


def test_a_collapse_is_told_once(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    train(small_run("pretrain", "model.codebook_entries=1", *RARELY), tmp_path)
    (warning,) = told(tmp_path, Warned)
    assert "code perplexity 2.00 means that one code stands for everything" in warning.message
    assert warning.step == 1


def test_accuracy_at_chance_is_told_after_the_warm_up(
    tmp_path: Path, small_run: Build, train: Train, told: Told
) -> None:
    """Noise tells nothing about what is masked in it, and at this rate nothing could be learned of it."""
    rng = np.random.default_rng(3)
    noise = manifest(tmp_path, [0.3 * rng.standard_normal(16000) for _ in range(8)])
    slow = ("optimizer.peak_lr=1e-9", "optimizer.warmup=0.2", "loop.updates=75", "loop.log_every=5", "loop.batch_s=4")
    many = ("model.codebook_entries=64", "objective.center_codes=true", "objective.negatives=20")
    run = small_run("pretrain", f"data.train={noise}", *RARELY, *slow, *many)
    train(run, tmp_path / "run")
    (warning,) = warnings(told, tmp_path / "run", "at chance")
    assert warning.step == 65  # the window of 50 updates is full, after 15 of warm-up
    measured = [event.accuracy for event in told(tmp_path / "run", Step) if 15 < event.step <= 65]
    accuracy, chance = (float(text.split("%")[0]) / 100 for text in warning.message.split(": ")[1].split(" gives "))
    assert accuracy == pytest.approx(np.mean(measured), abs=0.01)
    assert 1 / 21 <= chance < 0.2
    assert "50 updates" in warning.message


def test_a_rate_that_is_too_high_leaves_the_band_before_it_breaks(
    tmp_path: Path, corpus: Path, small_run: Build, train: Train, told: Told
) -> None:
    """A rate that grows far beyond what the model can take: the doctor speaks while the loss is still a number."""
    wild = ("optimizer.peak_lr=3", "optimizer.warmup=1", "optimizer.schedule=constant", "loop.updates=100")
    more = ("loop.log_every=20", "dropout.layerdrop=0", "loop.batch_s=8", "ctc.train_convolutions=true")
    train(small_run("finetune", *RARELY, *wild, *more), tmp_path)
    assert all(event.loss is not None for event in told(tmp_path, Step))
    first = warnings(told, tmp_path, "gradient norm of update")[0]
    assert "above its band of" in first.message
    assert "train.tsv:" in first.message
    assert "optimizer.clip_norm" in first.message
    norm, median = (
        float(first.message.split(mark)[1].split(end)[0]) for mark, end in ((" is ", ","), ("median ", ")"))
    )
    assert norm >= 10 * median
    assert first.step >= 30


def test_writing_blanks_only_is_told(tmp_path: Path, corpus: Path, small_run: Build, train: Train, told: Told) -> None:
    """CTC at a rate too low to leave its first phase, in which blank is likeliest everywhere."""
    pace = ("optimizer.warmup=0.05", "loop.updates=160", "loop.log_every=10", "optimizer.peak_lr=5e-4")
    run = small_run("finetune", *RARELY, *pace, "optimizer.schedule=constant", "loop.batch_s=8", "dropout.layerdrop=0")
    train(run, tmp_path)
    (warning,) = told(tmp_path, Warned)
    assert "writes blanks only" in warning.message
    assert "the transcripts have" in warning.message
    assert warning.step >= 58


def test_a_healthy_run_is_left_alone(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    letters = ("ctc.train_convolutions=true", "optimizer.peak_lr=1e-2", "loop.updates=80", "optimizer.clip_norm=1")
    train(small_run("finetune", *RARELY, *letters, "loop.log_every=10", "dropout.layerdrop=0"), tmp_path / "letters")
    assert warnings(told, tmp_path / "letters", "gradient norm") == []
    codes = ("objective.center_codes=true", "loop.updates=56", "loop.log_every=5", "model.codebook_entries=32")
    train(
        small_run(
            "pretrain",
            *RARELY,
            *codes,
        ),
        tmp_path / "codes",
    )
    assert told(tmp_path / "codes", Warned) == []


def test_a_clip_that_is_no_number_is_named_alone(
    tmp_path: Path, corpus: Path, small_run: Build, train: Train, told: Told
) -> None:
    """A float file may hold any number; one that overflows in the network is found among its batch."""
    waves = [0.1 * np.random.default_rng(place).standard_normal(16000).astype(np.float32) for place in range(6)]
    path = manifest(tmp_path, waves)
    run = small_run("finetune", f"data.train={path}", *RARELY, "loop.batch_s=10")
    from engine.data.batches import FinetuningCollator

    made = FinetuningCollator.__call__

    def spoil(self: Any, *arguments: Any) -> Any:
        batch = made(self, *arguments)
        batch.waveform[[origin.endswith(":4") for origin in batch.origins]] = np.inf
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FinetuningCollator, "__call__", spoil)
        failed = train(run, tmp_path / "run")
    assert isinstance(failed, Failed)
    assert "is not a finite number, in the clips" in failed.message
    assert "m.tsv:4:" in failed.message
    assert failed.message.count("m.tsv:") == 1


def test_an_episode_begins_once_and_again_after_its_end() -> None:
    episode = Episode()
    signs = [(False, None), (True, False), (True, False), (False, False), (True, False), (False, True), (True, False)]
    assert [episode.begins(present, over) for present, over in signs] == [False, True, False, False, False, False, True]


def test_a_window_holds_the_last_updates() -> None:
    window = Window(10)
    for place in range(6):
        assert window.full == (place >= 3)
        window.add(4, {"x": float(place)})
    assert (window.covered, window.total("x")) == (12, 3.0 + 4.0 + 5.0)


def test_the_band_follows_and_forgets_one_outlier() -> None:
    rng = np.random.default_rng(1)
    band = NormBand()
    quiet = [band.examine(float(norm)) for norm in np.exp(0.2 * rng.standard_normal(300))]
    assert quiet == [None] * 300
    limits = band.examine(1000.0)
    assert limits is not None
    lowest, median, highest = limits
    assert 0.8 < median < 1.25
    assert (lowest, highest) == pytest.approx((median / 10, median * 10), rel=0.01)
    assert [band.examine(1000.0) for _ in range(5)] == [None] * 5  # the same episode
    for _ in range(25):
        band.examine(1.0)
    assert band.examine(0.001) is not None


def test_a_resumed_doctor_starts_without_norms(small_run: Build) -> None:
    doctor = Doctor(small_run("pretrain"))
    assert doctor.examine_update(900, 1e9, ["clip"]) == []


@pytest.mark.parametrize(("task", "told"), [("pretrain", True), ("finetune", False)])
def test_a_small_gradient_is_a_sign_in_pre_training_only(
    small_run: Callable[..., RunConfig], task: str, told: bool
) -> None:
    """Fine-tuning has it whenever an update holds short clips that the model knows."""
    doctor = Doctor(small_run(task))
    norms = np.exp(0.2 * np.random.default_rng(1).standard_normal(100))
    assert not [message for step, norm in enumerate(norms) for message in doctor.examine_update(step, float(norm), [])]
    assert bool(doctor.examine_update(101, 0.001, ["a.wav"])) == told
    for step in range(102, 140):
        doctor.examine_update(step, 1.0, [])
    assert doctor.examine_update(140, 1000.0, ["a.wav"])
