from pathlib import Path

import pytest

from engine.__main__ import build_parser
from engine.commands.train import new_run
from engine.config import ConfigError, RunConfig, load, with_settings
from w2v_studio.assets import presets_folder
from w2v_studio.training.plan import (
    Preset,
    RunPlan,
    read_presets,
    resume_arguments,
    run_folder_name,
    setting_value,
    shell_line,
)


def preset(tmp_path: Path, text: str = 'name = "small"\n[loop]\nupdates = 300\ndevice = "cpu"\n') -> Preset:
    path = tmp_path / "small.toml"
    path.write_text(text, encoding="utf-8")
    return Preset(path, load(path))


def test_only_what_differs_from_the_preset_is_set(tmp_path: Path) -> None:
    plan = RunPlan("pretrain", preset(tmp_path), "small", (tmp_path / "a b.tsv",), device="cpu")
    out = tmp_path / "run"
    assert plan.arguments(out) == [
        *("pretrain", "--preset", str(tmp_path / "small.toml"), "--out", str(out)),
        *("--data", str(tmp_path / "a b.tsv")),
    ]
    assert "'" in shell_line(plan.arguments(out)) or '"' in shell_line(plan.arguments(out))


def test_every_wish_reaches_the_config(tmp_path: Path) -> None:
    plan = RunPlan(
        "finetune",
        preset(tmp_path),
        "Mine = yours",
        (tmp_path / "a.tsv",),
        (tmp_path / "b.tsv",),
        start=tmp_path / "earlier",
        updates=12,
        time_limit_s=90.0,
        device="auto",
        settings={"optimizer.betas": "0.9,0.95"},
    )
    arguments = plan.arguments(tmp_path / "run")
    settings = [arguments[place + 1] for place, word in enumerate(arguments) if word == "--set"]
    checked = with_settings(plan.preset.config, settings)
    assert checked == plan.checked()
    assert (checked.name, checked.loop.updates, checked.loop.time_limit_s) == ("Mine = yours", 12, 90.0)
    assert (checked.loop.device, checked.optimizer.betas) == ("auto", (0.9, 0.95))
    assert arguments[arguments.index("--from") + 1] == str(tmp_path / "earlier")


def test_the_engine_reads_the_command_line_as_it_was_meant(tmp_path: Path) -> None:
    manifest = tmp_path / "a b.tsv"
    manifest.write_text("path\tduration_s\na.flac\t1.5\n", encoding="utf-8")
    (tmp_path / "earlier.pt").write_bytes(b"")
    shipped = next(item for item in read_presets(presets_folder()) if item.config.task == "finetune")
    plan = RunPlan(
        "finetune",
        shipped,
        "Två röster",
        (manifest, manifest),
        (manifest,),
        tmp_path / "earlier.pt",
        updates=7,
        time_limit_s=90.0,
        device="cpu",
        settings={"loop.batch_s": "4"},
    )
    arguments = build_parser().parse_args(plan.arguments(tmp_path / "run"))
    run = new_run(arguments)
    assert (arguments.command, arguments.out) == ("finetune", tmp_path / "run")
    assert run.data.train == (str(manifest), str(manifest))
    assert run.data.valid == (str(manifest),)
    assert run.ctc.checkpoint == str(tmp_path / "earlier.pt")
    assert (run.loop, run.model, run.name) == (plan.checked().loop, shipped.config.model, "Två röster")
    again = build_parser().parse_args(resume_arguments(tmp_path / "run"))
    assert (again.command, again.out) == ("resume", tmp_path / "run")


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data set"):
        RunPlan("pretrain", preset(tmp_path), "x", ()).checked()
    with pytest.raises(ConfigError, match=r"loop\.updates"):
        RunPlan("pretrain", preset(tmp_path), "x", (tmp_path,), settings={"loop.updates": "many"}).checked()


def test_folder_names_suit_every_file_system_and_are_new() -> None:
    assert run_folder_name("My first run / digits?", []) == "My-first-run-digits"
    assert run_folder_name("..", []) == "run"
    assert run_folder_name("tiny", ["Tiny", "tiny-2"]) == "tiny-3"


def test_values_are_written_as_set_reads_them() -> None:
    run = RunConfig()
    for key in ("model.conv_bias", "optimizer.betas", "data.exclude", "model.conv_kernels"):
        value = setting_value(run, key)
        again = run if value == "" else with_settings(run, [f"{key}={value}"])
        assert again == run


def test_a_preset_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    preset(tmp_path)
    (tmp_path / "newer.toml").write_text("[model]\nspeech_gills = 3\n", encoding="utf-8")
    assert [found.name for found in read_presets(tmp_path)] == ["small"]


def test_shipped_presets_are_all_offered_with_what_to_expect() -> None:
    found = read_presets(presets_folder())
    assert len(found) == len(list(presets_folder().glob("*.toml")))
    assert all(item.config.expects for item in found)
