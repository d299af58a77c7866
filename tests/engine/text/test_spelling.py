"""Phones by rules that a lexicon's words show."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from engine.text.pronunciation import Pronunciations, read_pronunciations
from engine.text.spelling import REACH, SpellingRules

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


def aligned(word, phones, shares):
    """The best pieces of a word, a letter and its phones each."""
    best = {(0, 0): (0.0, [])}
    for place, end, count in itertools.product(range(1, len(word) + 1), range(len(phones) + 1), (2, 1, 0)):
        if (place - 1, end - count) not in best:
            continue
        before, pieces = best[place - 1, end - count]
        piece = word[place - 1], tuple(phones[end - count : end])
        if shares is None:
            score = before - abs(end / len(phones) - place / len(word)) - 0.1 * (count != 1)
        else:
            score = before + shares.get(piece, -20.0)
        if (place, end) not in best or score > best[place, end][0]:
            best[place, end] = score, [*pieces, piece]
    return best[len(word), len(phones)][1]


def by_definition(words, reaches, rounds=4):
    """A function from a word to its phones: alignment word by word, look-up in dictionaries."""
    shares = None
    for _ in range(rounds):
        pieces = Counter(piece for word, phones in words.items() for piece in aligned(word, phones, shares))
        letters = Counter()
        for (letter, _said), count in pieces.items():
            letters[letter] += count
        shares = {piece: math.log(count / letters[piece[0]]) for piece, count in pieces.items()}
    seen = defaultdict(Counter)
    for word, phones in words.items():
        for place, (_letter, said) in enumerate(aligned(word, phones, shares)):
            for before, after in reaches:
                padded = f"####{word}####"[4 + place - before : 5 + place + after]
                seen[before, padded][said] += 1

    def phones_of(word):
        found = []
        for place in range(len(word)):
            for before, after in reaches:
                counts = seen.get((before, f"####{word}####"[4 + place - before : 5 + place + after]))
                if counts:
                    found += counts.most_common(1)[0][0]
                    break
        return found

    return phones_of


def test_rules_are_those_of_the_definition():
    rng = np.random.default_rng(7)
    sounds = {
        "A": ["AE", "EY"],
        "T": ["T"],
        "H": ["HH"],
        "S": ["S", "Z"],
        "E": ["EH", "IY"],
        "X": ["K S"],
        "N": ["N", ""],
    }
    words = {}
    for _ in range(400):
        word = "".join(rng.choice([*sounds], int(rng.integers(1, 8))))
        phones = " ".join(str(rng.choice(sounds[letter])) for letter in word).split()
        if phones:
            words[word] = phones
    wanted, rules = by_definition(words, REACH), SpellingRules(words)
    new = {"".join(rng.choice([*sounds, "Q"], int(rng.integers(1, 9)))) for _ in range(300)} - words.keys()
    assert len(new) > 200
    assert {word: rules.phones(word) for word in new} == {word: wanted(word) for word in new}


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
