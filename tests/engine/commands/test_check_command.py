"""`w2v-engine check` as a person or a script runs it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[3]
DIGITS = ROOT / "resources/datasets/digits-mini"
Said = Callable[[], str]


def test_the_shipped_digits_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    order = ["check", str(DIGITS / "train.tsv"), "--valid", str(DIGITS / "valid.tsv"), "--preset", "tiny-digits"]
    assert main(order) == 0
    said = capsys.readouterr().out
    assert "nothing stops training" in said
    assert "resampled" in said
    assert main([*order, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert [split["name"] for split in report["splits"]] == ["train", "valid"]
    rows = len((DIGITS / "train.tsv").read_text().splitlines()) - 1
    assert report["splits"][0]["clips"] == report["splits"][0]["usable_clips"] == rows
    assert report["task"] == "finetune"


def test_a_leak_between_splits_is_status_1_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(DIGITS, tmp_path / "digits")
    valid = tmp_path / "digits/valid.tsv"
    train = (tmp_path / "digits/train.tsv").read_text().splitlines()
    valid.write_text(valid.read_text() + train[1] + "\n")
    order = ["check", str(tmp_path / "digits/train.tsv"), "--valid", str(valid), "--set", "data.min_s=0.1"]
    assert main(order) == 1
    said = capsys.readouterr().out
    assert "STOP  valid: 1 clip" in said
    assert "digits/train.tsv:2 (equal samples)" in said
    assert "-> remove them from one of the splits" in said
    assert "1 to put right before training" in said


def test_a_vocabulary_is_made_and_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vocab.json"
    order = ["check", str(DIGITS / "train.tsv"), "--set", "data.min_s=0.1", "--make-vocabulary", str(file)]
    assert main(order) == 0
    said = {letter for line in (DIGITS / "train.tsv").read_text().splitlines()[1:] for letter in line.split("\t")[3]}
    assert set(Vocabulary.load(file).tokens[5:]) == said - {" "}
    assert main(order) == 2
    assert "vocab.json exists" in capsys.readouterr().err
    assert main(["check", str(DIGITS / "train.tsv"), "--set", "data.min_s=0.1", "--vocabulary", str(file)]) == 0
    few = tmp_path / "few.json"
    Vocabulary(("<pad>", "|", "O", "N", "E")).save(few)
    assert main(["check", str(DIGITS / "train.tsv"), "--vocabulary", str(few)]) == 1


def test_what_is_no_data_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello\nworld\n")
    assert main(["check", str(tmp_path / "notes.txt")]) == 2
    assert "Known are: a manifest" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nowhere.tsv")]) == 2
    assert main(["check", str(DIGITS / "train.tsv"), "--preset", "tiny-digit"]) == 2


def test_checking_manifests_loads_neither_torch_nor_lhotse() -> None:
    code = f"""
import sys
from engine.__main__ import main
status = main(["check", {str(DIGITS / "valid.tsv")!r}, "--set", "data.min_s=0.1"])
print(status, [name for name in ("torch", "lhotse") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.splitlines()[-1] == "0 []"
