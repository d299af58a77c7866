"""The commands in the documents exist: their programs, options, presets, settings and files."""

import functools
import gzip
import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.config import RunConfig, with_settings
from engine.data.audio import read_audio
from engine.data.sources import read_source

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/corpora.md", "docs/data-formats.md")
MODULES = {"w2v-studio": "w2v_studio", "w2v-engine": "engine", "w2v-export": "export"}


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def documented_commands() -> list[list[str]]:
    """Each command line as words, without `uv run`; also the commands quoted in running text."""
    lines = []
    for document in DOCUMENTS:
        for block in blocks(document, "bash"):
            lines += block.replace("\\\n", " ").splitlines()
        text = (ROOT / document).read_text(encoding="utf-8")
        lines += re.findall(r"`((?:\./studio|uv run|uv sync|w2v-\w+)[^`]*)`", text)
    commands = []
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:2] == ["uv", "run"]:
            words = [word for word in words[2:] if word != "--no-sync"]
        if words:
            commands.append(words)
    return commands


def called(program: str) -> list[list[str]]:
    """The arguments of every documented call of one of our programs; ./studio passes most of its own on."""
    found = [words[1:] for words in documented_commands() if words[0] == program]
    if program == "w2v-studio":
        found += [words[1:] for words in documented_commands() if words[0] == "./studio" and not is_setup(words)]
    return found


def is_setup(words: list[str]) -> bool:
    return words[1:2] in (["setup"], ["test"])


@functools.cache
def help_of(program: str, subcommand: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", MODULES[program], *subcommand.split(), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{program} {subcommand} --help: {done.stderr}"
    return done.stdout


def test_documents_show_every_program():
    shown = {words[0] for words in documented_commands()}
    assert {"./studio", *MODULES} <= shown


def test_programs_are_installed_under_their_documented_names():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert {name: target.split(".")[0] for name, target in scripts.items()} == MODULES


@pytest.mark.parametrize("program", MODULES)
def test_options_exist(program):
    unknown = []
    for arguments in called(program):
        has_subcommand = program != "w2v-export" and arguments and not arguments[0].startswith("-")
        known = help_of(program, arguments[0] if has_subcommand else "")
        for word in arguments:
            if word.startswith("--") and not re.search(rf"(?<![\w-]){re.escape(word.split('=')[0])}(?![\w-])", known):
                unknown.append(f"{program} {shlex.join(arguments)}: no option {word}")
    assert not unknown


def test_studio_knows_its_own_commands():
    usage = (ROOT / "studio").read_text(encoding="utf-8")
    for words in documented_commands():
        if words[0] == "./studio" and words[1:2] == ["setup"]:
            assert re.search(rf"\./studio {' '.join(words[1:])}\s", usage), words


def test_presets_exist():
    missing = []
    for arguments in called("w2v-engine"):
        for option, value in itertools.pairwise(arguments):
            if option == "--preset" and not (ROOT / "resources" / "presets" / f"{value}.toml").is_file():
                missing.append(value)
    assert not missing


def test_settings_exist():
    values = [
        value
        for arguments in called("w2v-engine")
        for option, value in itertools.pairwise(arguments)
        if option == "--set"
    ]
    assert values
    with_settings(RunConfig(), values)


def test_files_that_come_with_the_program_exist():
    named = {word for words in documented_commands() for word in words if word.startswith("resources/")}
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_links_between_documents_lead_somewhere():
    broken = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            if not ((ROOT / document).parent / target).exists():
                broken.append(f"{document}: {target}")
    assert not broken


def test_what_lhotse_prepares_becomes_data(tmp_path):
    """The lhotse commands of docs/corpora.md, on files in the form that `lhotse prepare` writes."""
    pytest.importorskip("lhotse")
    rate = 16000
    tone = (0.1 * np.sin(np.arange(3 * rate) / 20)).astype(np.float32)
    soundfile.write(tmp_path / "talk.flac", tone, rate)
    recording = {
        "id": "talk",
        "sources": [{"type": "file", "channels": [0], "source": str(tmp_path / "talk.flac")}],
        "sampling_rate": rate,
        "num_samples": 3 * rate,
        "duration": 3.0,
        "channel_ids": [0],
    }
    said = [
        {"id": "talk-0", "start": 0.0, "duration": 1.0, "text": "It's the first, of it.", "speaker": "ann"},
        {"id": "talk-1", "start": 1.0, "duration": 1.5, "text": "A PART", "speaker": None},
    ]
    for name, items in (("r", [recording]), ("s", [{"recording_id": "talk", "channel": 0, **item} for item in said])):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(item) + "\n" for item in items)
    documented = [words for words in documented_commands() if words[:2] == ["lhotse", "cut"]]
    named = {"recordings": "r.jsonl.gz", "supervisions": "s.jsonl.gz"}
    for words in documented:
        own = [next((file for part, file in named.items() if part in word and "/" in word), word) for word in words]
        own = [word.removeprefix("corpora/") for word in own]
        command = [sys.executable, "-c", "from lhotse.bin import cli; cli()", *own[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    first, part = read_source(tmp_path / "train.jsonl.gz").clips
    assert (first.transcript, first.speaker, first.duration_s) == ("It's the first, of it.", "ann", 1.0)
    assert part.transcript == "A PART"
    np.testing.assert_allclose(read_audio(part.path, part.part) / 32768, tone[rate : rate + 24000], atol=1e-3)
