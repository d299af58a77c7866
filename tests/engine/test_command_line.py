"""`w2v-engine` as people and the app call it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import config, events
from engine.__main__ import main
from engine.config import RunConfig
from engine.events import EventReader, Failed, Finished
from engine.presets import load_preset, preset_names

Build = Callable[..., RunConfig]
ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "resources/datasets/digits-mini"


@pytest.fixture
def preset(tmp_path: Path, small_run: Build) -> Callable[[str], str]:
    """A preset file with the small network."""

    def write(task: str, *settings: str) -> str:
        path = tmp_path / f"{task}.json"
        config.save(small_run(task, "data.train=", "data.valid=", *settings), path)
        return str(path)

    return write


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    status = main(arguments)
    said = capsys.readouterr().err
    assert status == 2
    assert said.startswith("w2v-engine: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said


def test_pretrain_stop_resume_finetune_evaluate(
    tmp_path: Path, corpus: Path, preset: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(corpus / "train.tsv"), "--valid", str(corpus / "valid.tsv")]
    first = tmp_path / "first"
    assert main(["pretrain", "--preset", preset("pretrain"), *data, "--out", str(first), "--set", "name=mine"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "20 clips" in said.err
    assert "valid at 3: loss" in said.err
    assert "accuracy" in said.err
    assert "audio-s/s" in said.err
    assert "completed at update 6" in said.err
    assert config.load(first / "config.json").name == "mine"
    assert any((first / "tensorboard").iterdir())

    # a run in place is not written over
    again = ["pretrain", "--preset", preset("pretrain"), *data, "--out", str(first)]
    assert "already holds a run: add --resume" in refused(again, capsys)
    assert main([*again, "--resume", "--set", "loop.updates=7"]) == 0
    assert main(["resume", str(first), "--set", "loop.updates=8", "--events"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["started", "step", "evaluation", "checkpoint", "finished"]
    assert (lines[0]["step"], lines[-1]["step"]) == (7, 8)

    second = tmp_path / "second"
    order = ["finetune", "--preset", preset("finetune"), *data, "--from", str(first), "--out", str(second)]
    assert main(order) == 0
    assert "WER" in capsys.readouterr().err
    assert config.load(second / "config.json").ctc.checkpoint == str(first)
    for place in (second, second / "checkpoints/best.pt"):
        assert main(["evaluate", str(place), "--data", str(corpus / "valid.tsv"), "--events"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["wer"] >= 0
        assert len(result["samples"]) == 5


def test_real_clips_of_8_khz_are_learned_from(
    tmp_path: Path, preset: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["finetune", "--preset", preset("finetune", "data.min_s=0.1", "loop.updates=8", "loop.batch_s=10")]
    order += ["--data", str(DIGITS / "train.tsv"), "--valid", str(DIGITS / "valid.tsv"), "--out", str(tmp_path / "run")]
    assert main([*order, "--set", "optimizer.peak_lr=1e-2", "--events"]) == 0
    said = capsys.readouterr().out
    assert said == (tmp_path / "run" / events.EVENTS_FILE).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in said.splitlines()]
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    assert losses[-1] < 0.7 * losses[0]


def test_two_sentences_are_learned_by_heart(
    tmp_path: Path, corpus: Path, preset: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    two = corpus / "two.tsv"
    two.write_text("".join((corpus / "train.tsv").read_text().splitlines(keepends=True)[:3]))
    changes = ["ctc.train_convolutions=true", "masking.time_prob=0", "optimizer.peak_lr=1e-2"]
    changes += ["optimizer.schedule=tri_stage", "optimizer.clip_norm=1"]
    changes += ["dropout.layerdrop=0", "dropout.dropout=0", "dropout.attention=0", "dropout.input=0"]
    changes += ["loop.updates=200", "loop.evaluate_every=200", "loop.checkpoint_every=200"]
    order = ["finetune", "--preset", preset("finetune", *changes), "--data", str(two), "--valid", str(two)]
    assert main([*order, "--out", str(tmp_path / "run"), "--events"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    evaluation = next(line for line in lines if line["event"] == "evaluation")
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    assert losses[-1] < 0.05 * losses[0]
    # so small a network may stay in doubt about one of the two, depending on the machine's rounding
    assert any(said == heard for said, heard in evaluation["samples"])


def test_what_is_missing_or_wrong_is_one_sentence(
    tmp_path: Path, corpus: Path, preset: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = ["--data", str(corpus / "train.tsv")], ["--out", str(tmp_path / "run")]
    pretrain = ["pretrain", "--preset", preset("pretrain"), *out]
    assert "give manifests with --data" in refused(pretrain, capsys)
    assert "nowhere.tsv: No such file" in refused([*pretrain, "--data", "nowhere.tsv"], capsys)
    said = refused(["pretrain", "--preset", "tiny-pretrian", *data, *out], capsys)
    assert "did you mean 'tiny-pretrain'?" in said
    assert "base-pretrain" in said
    assert "cannot read the config" in refused(["pretrain", "--preset", "own.toml", *data, *out], capsys)
    assert "did you mean 'updates'?" in refused([*pretrain, *data, "--set", "loop.update=3"], capsys)
    assert "must be a whole number" in refused([*pretrain, *data, "--set", "loop.updates=many"], capsys)
    assert "section.key=value" in refused([*pretrain, *data, "--set", "fast"], capsys)
    wrong_task = refused(["finetune", "--preset", "tiny-pretrain", *data, *out], capsys)
    assert "is for pretrain, not for finetune" in wrong_task
    assert "tiny-digits" in wrong_task
    assert "no checkpoint at nope.pt" in refused([*pretrain, *data, "--from", "nope.pt"], capsys)
    assert "no run at" in refused(["resume", str(tmp_path / "run")], capsys)
    assert "no run at" in refused([*pretrain, "--resume"], capsys)
    assert "no checkpoint at gone" in refused(["evaluate", "gone", *data], capsys)
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").touch()
    assert "is a file" in refused([*pretrain[:-1], str(tmp_path / "file"), *data], capsys)


def test_a_run_that_cannot_begin_fails_with_one_sentence(
    tmp_path: Path, corpus: Path, preset: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    order = ["pretrain", "--preset", preset("pretrain"), "--data", str(corpus / "train.tsv"), "--out", str(out)]
    assert main([*order, "--set", "data.min_s=9"]) == 1
    assert "shorter than data.min_s=9 s" in capsys.readouterr().err
    assert main([*order, "--set", "loop.device=cuda:7"]) == 1
    assert "loop.device=cpu" in capsys.readouterr().err
    fake = tmp_path / "fake.pt"
    fake.write_text("weights")
    assert main([*order, "--from", str(fake)]) == 1
    assert "fake.pt is not a readable checkpoint" in capsys.readouterr().err
    assert all(isinstance(event, Failed) for event in EventReader(out).poll())
    # nothing began, so the folder is free
    assert main([*order, "--set", "loop.updates=1"]) == 0
    assert isinstance(EventReader(out).poll()[-1], Finished)


def test_who_watches_a_folder_learns_why_nothing_began(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    refused(["pretrain", "--data", "nowhere.tsv", "--out", str(tmp_path / "run")], capsys)
    (failed,) = EventReader(tmp_path / "run").poll()
    assert isinstance(failed, Failed)
    assert "nowhere.tsv" in failed.message


def test_help_and_refusals_do_not_load_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from engine.__main__ import main
for order in (['--help'], ['pretrain', '--help'], ['settings'], ['pretrain', '--out', {str(tmp_path)!r}]):
    try:
        main(order)
    except SystemExit:
        pass
print('torch' in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.splitlines()[-1] == "False"
    assert "optimizer.peak_lr = 0.0005" in said


@pytest.mark.parametrize("name", preset_names())
def test_presets_say_what_to_expect(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert len(preset.expects) > 80
    assert "\n" not in preset.expects
    assert preset.task == ("pretrain" if name.endswith(("pretrain", "spectra")) else "finetune")


def test_tiny_presets_share_one_network_and_base_is_the_published_one() -> None:
    tiny = {name: load_preset(name).model for name in preset_names() if name.startswith(("tiny", "quick"))}
    assert len(tiny) == 6
    assert len(set(map(str, tiny.values()))) == 1
    import torch

    from engine.model.pretraining import PretrainingModel

    base = load_preset("base-pretrain")
    with torch.device("meta"):
        published = PretrainingModel(base)
    assert sum(parameter.numel() for parameter in published.parameters()) == 95_044_608
    # 64 workers of 1.4 million samples
    assert base.loop.batch_s * base.loop.accumulate * 16000 == 64 * 1_400_000
    finetune = load_preset("base-finetune-100h")
    assert finetune.model == base.model
    assert finetune.loop.batch_s * finetune.loop.accumulate * 16000 == 8 * 3_200_000
