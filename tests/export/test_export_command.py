"""w2v-export: what people see when it cannot do it, and that asking for help costs nothing."""

import subprocess
import sys

import pytest

from engine.config import RunConfig
from engine.model.pretraining import PretrainingModel
from engine.training.checkpoint import Checkpoint, save_checkpoint
from export import publish as publishing
from export.__main__ import main
from tests.export.conftest import LAYER_PRE

pytestmark = pytest.mark.timeout(900)  # the exporter takes minutes on a busy machine


def refused(capsys, *arguments) -> str:
    """Run, expect failure, return the one line on stderr."""
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    *_, last = captured.err.strip().splitlines()
    assert last.startswith("w2v-export: ")
    return last


def test_no_such_checkpoint(capsys, tmp_path):
    assert "no checkpoint at" in refused(capsys, tmp_path / "none.pt", "--out", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_file_that_is_no_checkpoint(capsys, tmp_path):
    (tmp_path / "song.pt").write_bytes(b"not a checkpoint")
    assert "song.pt is not a readable checkpoint" in refused(capsys, tmp_path / "song.pt", "--out", tmp_path / "b")


def test_a_pretrained_run_must_be_fine_tuned_first(capsys, tmp_path):
    config = RunConfig(model=LAYER_PRE)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    path = tmp_path / "run" / "checkpoints" / "step-00000001.pt"
    save_checkpoint(Checkpoint(config, 1, PretrainingModel(config).state_dict(), run="run"), path)
    assert "fine-tune it first" in refused(capsys, tmp_path / "run", "--out", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_file_stands_in_the_way(capsys, tmp_path):
    (tmp_path / "b").write_text("mine")
    assert "choose another --out" in refused(capsys, tmp_path / "x.pt", "--out", tmp_path / "b", "--force")
    assert (tmp_path / "b").read_text() == "mine"


def test_a_missing_package_names_the_remedy(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "export.publish", None)
    assert "--extra export" in refused(capsys, tmp_path / "x.pt", "--out", tmp_path / "b")


def test_stopping_leaves_nothing(capsys, tmp_path, export_small, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    checkpoint = export_small(LAYER_PRE).checkpoint
    monkeypatch.setattr(publishing, "trace", interrupted)
    assert main([str(checkpoint), "--out", str(tmp_path / "models" / "b")]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_and_usage_load_no_torch(arguments):
    code = (
        "import sys; from export.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('loaded' if 'torch' in sys.modules or 'onnx' in sys.modules else 'light')"
    )
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "light"
    assert "w2v-export" in found.stdout + found.stderr
