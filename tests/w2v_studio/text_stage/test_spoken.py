"""What was spoken, from what a person made of it; expected by hand."""

import pytest

from engine.text.ctc import Word
from w2v_studio.text_stage.rules import rules_for
from w2v_studio.text_stage.spoken import spoken_transcript


def heard(text):
    return [Word(word, place * 0.4, place * 0.4 + 0.3, 0.9) for place, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("said", "corrected", "spoken"),
    [
        ("I HAVE TWENTY ONE APPELS", "I have 21 apples", "I HAVE TWENTY ONE APPLES"),
        ("HELO COMMA WORLD PERIOD", "Hello, world.", "HELLO COMMA WORLD PERIOD"),
        ("HELO WORLD", "Hello, world!", "HELLO WORLD"),
        ("ONE NEW LINE TOO", "One\ntwo", "ONE NEW LINE TWO"),
        ("ONE NEW LINE TOO", "One two", "ONE NEW LINE TWO"),
        ("I HAVE TWENTY ONE APPLES", "I have twenty two apples", "I HAVE TWENTY TWO APPLES"),
        ("I HAVE TWENTY ONE APPLES", "I have 22 apples", ""),
        ("WRONG SCRATCH THAT RITE", "Right", ""),
        ("CAP PARIS IS NISE", "Paris is nice", "CAP PARIS IS NICE"),
        ("IM HERE", "I’m here", "I'M HERE"),
        ("THE THE END", "The end", "THE END"),
        ("", "Hello", "HELLO"),
    ],
)
def test_spoken_words(said, corrected, spoken):
    found = spoken_transcript(corrected, heard(said), rules_for("en"))
    assert found == spoken


def test_unchanged_text_gives_the_recognised_words():
    for said in ("FIVE DOGS AND NINETEEN NINETY NINE CATS PERIOD", "OPEN QUOTE YES CLOSE QUOTE", "A B C"):
        from w2v_studio.text_stage.stage import TextStage

        written = TextStage(rules_for("en")).write(heard(said)).text
        assert spoken_transcript(written, heard(said), rules_for("en")) == said
