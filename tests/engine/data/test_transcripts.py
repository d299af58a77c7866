import unicodedata

import pytest

from engine.data.manifest import DataError
from engine.data.transcripts import TranscriptRule, vocabulary_of
from engine.text.vocabulary import Vocabulary

SMALL = Vocabulary(("<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyzäöüß-"))


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("Don’t — stop, please!", "DON'T STOP PLEASE"),
        ("  well-known\tfact… ", "WELL KNOWN FACT"),
        ("“Quoted” (aside); ¿que?", "QUOTED ASIDE QUE"),
        ("ALREADY AS IT IS", "ALREADY AS IT IS"),
        ("straße", "STRASSE"),
        # what is read aloud, tags, digits and foreign letters stay, so that somebody is told
        ("50 % & more", "50 % & MORE"),
        ("[noise] hi <unk>", "[NOISE] HI <UNK>"),
        ("café Ёлка", "CAFé Ёлка"),
        # the separator of words is no letter that may be written
        ("a|b", "A|B"),
    ],
)
def test_the_rule_for_english(written: str, wanted: str) -> None:
    assert TranscriptRule(Vocabulary.english())(written) == wanted


def test_the_rule_follows_the_vocabulary() -> None:
    rule = TranscriptRule(SMALL)
    assert rule("Straße, die WELT-OFFENE Tür") == "straße die welt-offene tür"
    assert rule(unicodedata.normalize("NFD", "Tür")) == "tür"
    # there is no apostrophe in it: it is punctuation as any other
    assert rule("geht's") == "gehts"


def test_applied_twice_is_applied_once() -> None:
    rule = TranscriptRule(Vocabulary.english())
    for text in ("Don’t — stop!", "50 % [x]", "straße"):
        assert rule(rule(text)) == rule(text)


def test_unknown_characters_each_time_they_occur() -> None:
    rule = TranscriptRule(Vocabulary.english())
    assert rule.unknown("CAFÉ 22 É|") == ["É", "2", "2", "É", "|"]
    assert rule.unknown("IT'S FINE") == []


def test_a_vocabulary_is_made_of_what_is_written() -> None:
    made = vocabulary_of(["L’été, c'est l'été!", "'ÉTÉ'", "Straße 7"])
    assert made.tokens[:5] == ("<pad>", "<s>", "</s>", "<unk>", "|")
    assert made.tokens[5] == "É"
    assert set(made.tokens[5:]) == set("ÉTLCSRAßE'")
    rule = TranscriptRule(made)
    assert rule.unknown(rule("L’été, c'est Straße")) == []
    assert made.decode(made.encode(rule("L’été, c'est"))) == "L'ÉTÉ C'EST"
    with pytest.raises(DataError, match="no letter"):
        vocabulary_of(["", "12 !"])
