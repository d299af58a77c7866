"""Lexicons of pronunciations: the first of each word counts, and words that are not known are said to be unknown."""

import gzip

import pytest

from engine.text.pronunciation import LexiconError, Pronunciations, lexicon_file, phone_vocabulary

TEXT = "READ\tR EH D\nREAD\tR IY D\nA\tAH\nDEER\tD IH R\n\nODD\tAA D D\n"


@pytest.mark.parametrize("packed", [False, True])
def test_first_pronunciations_in_the_order_of_the_names(tmp_path, packed):
    path = tmp_path / "words"
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    known = Pronunciations(path)
    assert known.phones == ("AA", "AH", "D", "EH", "IH", "IY", "R")
    tokens = phone_vocabulary(known.phones).tokens
    assert [tokens[place] for place in known.encode("A DEER READ")] == ["AH", "D", "IH", "R", "R", "EH", "D"]
    assert phone_vocabulary(known.phones).blank == 0
    assert known.encode("A MOOSE") is None
    assert known.encode("  ") is None


def test_words_whose_phones_a_model_does_not_know_are_unknown(tmp_path):
    path = tmp_path / "words"
    path.write_text(TEXT)
    known = Pronunciations(path, ("R", "EH", "D"))
    assert known.encode("READ") == [1, 2, 3]
    assert known.encode("DEER") is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"READ\tR EH D\nDEER\n", r"line 2: 'DEER' has no phones; write WORD<tab>P H O N E S"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "cannot read the lexicon"),
        (gzip.compress(TEXT.encode())[:-9], "cannot read the lexicon"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, told):
    (tmp_path / "words").write_bytes(content)
    with pytest.raises(LexiconError, match=told):
        Pronunciations(tmp_path / "words")


def test_a_missing_file(tmp_path):
    with pytest.raises(LexiconError, match="nowhere"):
        Pronunciations(tmp_path / "nowhere")


def test_the_lexicon_of_a_bundle(tmp_path):
    assert lexicon_file(tmp_path) is None
    (tmp_path / "lexicon.txt").write_text(TEXT)
    assert lexicon_file(tmp_path) == tmp_path / "lexicon.txt"
