"""Nothing in a file may run: each case would leave a file behind if anything did."""

import argparse
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch

from engine.exchange.reading_options import ReadingOptions
from engine.exchange.source import read_source
from engine.exchange.weight_files import StandIn, global_names, load_pickle, plain
from engine.training.checkpoint import CheckpointError


class Touch:
    """Pickled as an order to run."""

    def __init__(self, call, *arguments):
        self.order = (call, arguments)

    def __reduce__(self):
        return self.order


def orders(trace):
    import os

    return {
        "os.system": Touch(os.system, f"touch {trace}"),
        "subprocess": Touch(subprocess.check_call, ["touch", str(trace)]),
        "eval": Touch(eval, f"open({str(trace)!r}, 'w').close()"),
        "open": Touch(open, str(trace), "w"),
        "getattr": Touch(getattr, Touch(open, str(trace), "w"), "name"),
    }


def wrap(name, trace):
    return {
        "args": argparse.Namespace(arch="wav2vec2", normalize=orders(trace)[name]),
        "model": {"mask_emb": torch.zeros(3)},
    }


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("name", ["os.system", "subprocess", "eval", "open", "getattr"])
def test_a_pickle_runs_nothing(tmp_path, name, legacy):
    trace = tmp_path / "ran"
    path = tmp_path / "model.pt"
    torch.save(wrap(name, trace), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"asks to run|more than weights"):
        read_source(str(path), ReadingOptions())
    assert not trace.exists()
    # the case is worth something: a plain reader does run it
    torch.load(path, weights_only=False)
    assert trace.exists()


def test_a_pickle_in_a_transformers_folder_runs_nothing(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2"}')
    trace = tmp_path / "ran"
    torch.save({"lm_head.weight": orders(trace)["os.system"]}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="system"):
        read_source(str(tmp_path), ReadingOptions())
    assert not trace.exists()


def test_stand_ins_never_become_the_class_they_stand_for(tmp_path):
    """Even names of modules that are let through, and importable here, are not imported or called."""
    path = tmp_path / "model.pt"
    torch.save({"path": Touch(Path, str(tmp_path)), "model": torch.zeros(1)}, path)
    found = load_pickle(path)["path"]
    assert isinstance(found, StandIn)
    assert plain(found) == str(tmp_path)
    assert any(name.startswith("pathlib") for name in global_names(path))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x80\x02", struct.pack("<Q", 1 << 62), b"words\n" * 99])
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_torn_and_foreign_files_are_one_sentence(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="model"):
        read_source(str(path), ReadingOptions())


def test_a_truncated_file_is_told(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"model": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match="torn"):
        read_source(str(path), ReadingOptions())


def test_a_zip_without_a_pickle(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("readme", "nothing here")
    with pytest.raises(CheckpointError):
        read_source(str(tmp_path / "model.pt"), ReadingOptions())
