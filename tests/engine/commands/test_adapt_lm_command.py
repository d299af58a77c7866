"""`w2v-engine adapt-lm` on a small bundle's language model and lexicon."""

from pathlib import Path

import numpy as np
import pytest

from engine.__main__ import main
from engine.text.ngram.ngram_states import NgramStates
from engine.text.ngram.packed import read_packed
from engine.text.pronunciation import Pronunciations
from engine.text.vocabulary import Vocabulary

LEXICON = "SEE\tS IY\nTEA\tT IY\nTOE\tT OW\nSO\tS OW\nNO\tN OW\nKNEE\tN IY\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    Vocabulary.english().save(folder / "vocab.json")
    (folder / "lexicon.txt").write_text(LEXICON)
    (tmp_path / "books.txt").write_text("SEE NO TEA\nSO NO KNEE\nSEE SO\n")
    assert main(["build-lm", str(tmp_path / "books.txt"), "--prune", "0", "--out", str(folder / "lm.npz")]) == 0
    return folder


def log_prob(folder: Path, *words: str) -> float:
    """Of the last word after the others, natural."""
    model, said = NgramStates(*read_packed(folder / "lm.npz")), 0.0
    history = np.full(1, model.start, np.int32)
    for word in words:
        scores, history = model.score(history, np.full(1, model.word(word), np.int32))
        said = float(scores[0])
    return said


def test_it_knows_the_words_of_the_texts(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes, out = tmp_path / "notes.txt", tmp_path / "out"
    notes.write_text("Tony sees no tea. Tony sees 2 toes!\n" * 3)
    assert main(["adapt-lm", str(bundle), str(notes), "--out", str(out)]) == 0
    assert "TONY" in capsys.readouterr().err
    words, _ = read_packed(out / "lm.npz")
    assert {"TONY", "SEES", "TWO", "TOES"} <= set(words)
    assert Pronunciations(out / "lexicon.txt.gz").encode("TONY SEES NO TEA") is not None
    assert log_prob(out, "TONY", "SEES") > log_prob(out, "SEE", "SEES") + 1
    assert log_prob(out, "SEE", "NO") == pytest.approx(log_prob(bundle, "SEE", "NO"), abs=0.2)
    # The bundle itself as the place; the second time there is nothing new.
    assert main(["adapt-lm", str(bundle), str(notes), "--out", str(bundle)]) == 0
    assert (bundle / "lm.npz").read_bytes() == (out / "lm.npz").read_bytes()
    assert main(["adapt-lm", str(bundle), str(notes), "--out", str(bundle)]) == 2
    assert "nothing to learn" in capsys.readouterr().err


def test_what_cannot_be_taught_is_said(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Hello.\n")
    out = ["--out", str(tmp_path / "out")]
    assert main(["adapt-lm", str(tmp_path), str(notes), *out]) == 2
    assert "finds words by phones" in capsys.readouterr().err
    assert main(["adapt-lm", str(bundle), str(tmp_path / "nowhere.txt"), *out]) == 2
    assert "there is no file" in capsys.readouterr().err
    (bundle / "lm.npz").write_bytes(b"PK")
    assert main(["adapt-lm", str(bundle), str(notes), *out]) == 2
    assert "lm.npz" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
