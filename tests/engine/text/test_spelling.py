"""Phones by rules that a lexicon's words show."""

import pytest

from engine.text.pronunciation import Pronunciations, read_pronunciations
from engine.text.spelling import SpellingRules

WORDS = {
    "SHOP": "SH AA P", "SHIP": "SH IH P", "HOP": "HH AA P", "HIP": "HH IH P", "CHIP": "CH IH P", "CHOP": "CH AA P",
    "MAT": "M AE T", "MATE": "M EY T", "RAT": "R AE T", "RATE": "R EY T", "HAT": "HH AE T", "HATE": "HH EY T",
    "FOX": "F AA K S", "BOX": "B AA K S", "KNOT": "N AA T", "KNIT": "N IH T", "NOT": "N AA T", "POT": "P AA T",
    "SIX": "S IH K S", "TAX": "T AE K S", "MIX": "M IH K S", "SIT": "S IH T", "TAT": "T AE T", "FIT": "F IH T",
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "phones"),
    [("SHOT", "SH AA T"), ("CHIT", "CH IH T"), ("FATE", "F EY T"), ("POX", "P AA K S"), ("KNOX", "N AA K S")],
)
def test_words_that_were_never_seen(word, phones):
    rules = SpellingRules({known: said.split() for known, said in WORDS.items()})
    assert " ".join(rules.phones(word)) == phones


def test_letters_that_were_never_seen_are_silent():
    assert SpellingRules({"MAT": ["M", "AE", "T"]}).phones("MÄ") == ["M"]
    assert SpellingRules({}).phones("MAT") == []
    assert SpellingRules({"A": ["B"] * 9}).phones("A") == []


def test_a_lexicon_learns_words_and_keeps_them(tmp_path):
    path = tmp_path / "words"
    path.write_text("".join(f"{word}\t{phones}\n" for word, phones in WORDS.items()) + "MAT\tM AA T\n")
    known = Pronunciations(path)
    assert known.encode("A SHOT") is None
    assert known.learn(["SHOT", "MAT", "SHOT", "ΨΨ"]) == ["SHOT"]
    assert [known.phones[place - 1] for place in known.encode("SHOT MAT")] == ["SH", "AA", "T", "M", "AE", "T"]
    known.save(tmp_path / "lexicon.txt.gz")
    lines = list(read_pronunciations(tmp_path / "lexicon.txt.gz"))
    assert lines[:-1] == list(read_pronunciations(path))
    assert lines[-1] == ("SHOT", ["SH", "AA", "T"])
    assert sorted(item.name for item in tmp_path.iterdir()) == ["lexicon.txt.gz", "words"]
