"""`w2v-engine cut`, with a model that has begun to tell tones apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.__main__ import main
from engine.config import RunConfig
from engine.data.manifest import read_manifest
from engine.training.run_folder import RunFolder
from engine.training.session import run_training
from tests.engine.conftest import LETTERS, tone

RATE = 16000


@pytest.fixture
def trained(small_run: Callable[..., RunConfig], tmp_path: Path) -> Path:
    run = small_run("finetune", "loop.updates=60", "optimizer.peak_lr=5e-3", "ctc.train_convolutions=true")
    with RunFolder(tmp_path / "run") as record:
        run_training(run, record)
    return tmp_path / "run"


def write_recordings(folder: Path) -> Path:
    """Each letter's tone twice and once, as in training, with pauses between the letters."""
    rng = np.random.default_rng(7)
    folder.mkdir()
    lines = ["path\tduration_s\tspeaker\ttranscript"]
    for place in range(4):
        letters = rng.permutation(len(LETTERS))[:3]
        parts = []
        for letter in letters:
            parts += [tone(1.6, 200 * 1.5**letter), np.zeros(RATE * 2 // 5, np.float32)]
        sound = np.concatenate(parts[:-1])
        sound += (0.002 * rng.standard_normal(len(sound))).astype(np.float32)
        soundfile.write(folder / f"{place}.flac", sound, RATE)
        text = " ".join(f"{LETTERS[letter] * 2} {LETTERS[letter]}" for letter in letters)
        lines.append(f"{place}.flac\t{len(sound) / RATE:.3f}\tsine\t{text}")
    (folder / "long.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "long.tsv"


def test_pieces_hold_everything_once(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_recordings(tmp_path / "recordings")
    out = tmp_path / "pieces"
    order = ["cut", str(trained), "--data", str(manifest), "--out", str(out)]
    assert main(order) == 0
    pieces = read_manifest(out / "pieces.tsv")
    assert f"{len(pieces)} pieces of 4 recordings" in capsys.readouterr().out
    for number, clip in enumerate(read_manifest(manifest)):
        parts = [piece for piece in pieces if piece.path.name.startswith(f"{number:06d}-")]
        sounds = [soundfile.read(piece.path, dtype="int16")[0] for piece in parts]
        assert np.array_equal(np.concatenate(sounds), soundfile.read(clip.path, dtype="int16")[0])
        assert " ".join(piece.transcript for piece in parts) == clip.transcript
        assert all(
            piece.duration_s == pytest.approx(len(sound) / RATE, abs=1e-3)
            for piece, sound in zip(parts, sounds, strict=True)
        )
    assert len(pieces) > 4
    assert all(piece.transcript for piece in pieces)
    assert main(order) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_cannot_be_cut_is_told(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_recordings(tmp_path / "recordings")
    rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([rows[0], rows[1].rsplit("\t", 1)[0] + "\t123 456"]) + "\n")
    order = ["cut", str(trained), "--data", str(manifest), "--out", str(tmp_path / "pieces")]
    assert main(order) == 0
    assert "1 recordings stayed whole" in capsys.readouterr().err
    manifest.write_text("\n".join([rows[0], rows[1].rsplit("\t", 1)[0] + "\t"]) + "\n")
    assert main([*order[:-1], str(tmp_path / "others")]) == 2
    assert "no words to cut between" in capsys.readouterr().err
    assert main(["cut", str(tmp_path / "nothing"), *order[2:]]) == 2
    assert "no checkpoint at" in capsys.readouterr().err
