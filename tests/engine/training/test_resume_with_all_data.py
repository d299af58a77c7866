"""A run on several formats, with rooms, recorded noise and fixed lengths, goes on bit for bit; so with shards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from engine.config import RunConfig
from engine.events import Failed, Finished, Started
from engine.training.checkpoint import load_checkpoint

lhotse = pytest.importorskip("lhotse")

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]


@pytest.fixture
def sources(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A CSV table, a Shar folder of 5 shards, noise and impulse responses, all made of the corpus."""
    monkeypatch.setenv("W2V_STUDIO_CACHE", str(tmp_path / "cache"))
    clips = sorted(corpus.glob("train*.flac"))[:10]
    table = tmp_path / "train.csv"
    table.write_text("path,text\n" + "".join(f'{path},"Tee; a-"\n' for path in clips))
    cuts = [lhotse.Recording.from_file(path).to_cut() for path in clips]
    for cut in cuts:
        cut.supervisions = [lhotse.SupervisionSegment(cut.id, cut.recording_id, 0, cut.duration, text="Net")]
    (tmp_path / "shar").mkdir()
    lhotse.CutSet.from_cuts(cuts).to_shar(tmp_path / "shar", fields={"recording": "flac"}, shard_size=2)
    for name in ("noise", "rooms"):
        (tmp_path / name).mkdir()
        samples, rate = soundfile.read(clips[0], frames=3000)
        soundfile.write(tmp_path / name / "a.wav", samples, rate)
    return {name: str(tmp_path / name) for name in ("train.csv", "shar", "noise", "rooms")}


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / f"checkpoints/step-{step:08d}.pt").model


@pytest.mark.parametrize(
    "settings",
    [
        ("data.length_buckets=4", "data.shards_per_epoch=2", "data.reverb=0.5", "data.noise_db=5"),
        ("data.bucketing=lhotse", "data.shards_per_epoch=1", "data.speed=0.1"),
    ],
)
def test_three_and_three_updates_are_six(
    settings: tuple[str, ...],
    sources: dict[str, str],
    tmp_path: Path,
    small_run: Build,
    train: Train,
    told: Callable[..., list[Any]],
    stop_at: Callable[..., Any],
) -> None:
    settings += (f"data.train={sources['train.csv']},{sources['shar']}", "loop.batch_s=3", "loop.accumulate=2")
    if "data.reverb=0.5" in settings:
        settings += (f"data.noise={sources['noise']}", f"data.impulse_responses={sources['rooms']}")
    one = small_run("finetune", *settings, "data.workers=3")
    straight, halves = tmp_path / "straight", tmp_path / "halves"
    assert train(one, straight).reason == "completed"
    run = small_run("finetune", *settings, "data.workers=1")
    assert train(run, halves, listener=stop_at(halves, 3)).step == 4
    assert train(run, halves, resume=True).step == 6
    first, second = weights(straight, 6), weights(halves, 6)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [event.train_clips for event in told(halves, Started)] == [20, 20]
