"""Models taught texts, in the terminal: the shipped one's copy, which then expects other words."""

import numpy as np
import pytest

from engine.text.ngram.packed import read_marks
from engine.text.pronunciation import Pronunciations
from w2v_studio.__main__ import main
from w2v_studio.assets import bundled_models_folder
from w2v_studio.bundles import find_bundle, own_bundles_folder
from w2v_studio.recognition.decoding.ngram_file import read_ngrams


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))


def log_prob(model, *words):
    """Of the last word after the others."""
    scores = np.zeros(1)
    history = np.full(1, model.start, np.int32)
    for word in words:
        scores, history = model.score(history, np.full(1, model.word(word), np.int32))
    return float(scores[0])


def test_a_shipped_model_is_copied_and_its_copy_taught(tmp_path, capsys):
    shipped = bundled_models_folder() / "small-en"
    before = (shipped / "lm.npz").read_bytes()
    notes = tmp_path / "notes.txt"
    notes.write_text("Deryck met Zwilgmeyer in Wimpole Street.\nZwilgmeyer met Deryck again.\n")
    assert main(["models", "teach", "small-en", str(notes)]) == 0
    said = capsys.readouterr().out
    assert "taught small-en-mine 10 words in 2 sentences" in said
    assert "ZWILGMEYER" in said
    own = find_bundle("small-en-mine").folder
    assert own.parent == own_bundles_folder()
    assert (shipped / "lm.npz").read_bytes() == before
    # As likely as it makes a word that the texts have; those that it had already are hardly touched.
    old, new = read_ngrams(shipped / "lm.npz"), read_ngrams(own / "lm.npz")
    assert log_prob(new, "MET", "ZWILGMEYER") > log_prob(old, "MET", "ZWILGMEYER") + 5
    assert log_prob(new, "ONCE", "UPON") == pytest.approx(log_prob(old, "ONCE", "UPON"), abs=0.1)
    assert Pronunciations(own / "lexicon.txt.gz").encode("ZWILGMEYER") is not None
    assert len(read_marks(own / "lm.npz")) == 2
    # The shipped one again means its copy, which knows these texts.
    assert main(["models", "teach", "small-en", str(notes)]) == 1
    assert "nothing to learn" in capsys.readouterr().err
    assert [folder.name for folder in own_bundles_folder().iterdir()] == ["small-en-mine"]


def test_what_cannot_be_taught_leaves_nothing(tmp_path, capsys):
    notes = tmp_path / "notes.txt"
    notes.write_text("Hello.\n")
    assert main(["models", "teach", "tiny-en", str(notes)]) == 1
    assert "finds words by phones" in capsys.readouterr().err
    assert main(["models", "teach", "small-en", str(tmp_path / "nowhere.txt")]) == 1
    assert "there is no file" in capsys.readouterr().err
    assert [*own_bundles_folder().iterdir()] == []
