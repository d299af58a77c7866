import pytest

from w2v_studio.dictation.kept_words import kept_words

RECOGNISED = ["The", "cat", ",", "it's", "22", ".", "The", "end"]


@pytest.mark.parametrize(
    ("corrected", "kept"),
    [
        ("The cat, it's 22. The end", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("The bat, it's 22. The end", [0, 2, 3, 4, 5, 6, 7]),
        ("The cats, it's 22! The  very\nend", [0, 2, 3, 4, 6, 7]),
        ("22. The end", [4, 5, 6, 7]),
        ("Quite another’s text", []),
        ("", []),
    ],
)
def test_words_that_stayed_are_known_by_their_place(corrected, kept):
    pieces = kept_words(RECOGNISED, corrected)
    assert "".join(text for text, _ in pieces) == corrected
    places = [place for _, place in pieces if place is not None]
    assert places == kept
    assert all(RECOGNISED[place] == text for text, place in pieces if place is not None)


@pytest.mark.parametrize(
    ("recognised", "corrected", "kept"),
    [
        (["22.5", "volts", "."], "About 22.5 volts.", [0, 1, 2]),
        (["AT&T", "and", "Node.js", "C++"], "AT&T or Node.js, C++", [0, 2, 3]),
        (["the", "dogs'", "bone", '."'], "the dogs' old bone.\"", [0, 1, 2, 3]),
        (["नमस्ते", "दुनिया"], "नमस्ते सारी दुनिया", [0, 1]),
        (["cafe\u0301", "noir"], "cafe\u0301 au noir", [0, 1]),
        (["cafe", "noir"], "cafe\u0301 noir", [1]),
    ],
)
def test_words_with_signs_and_of_other_scripts_stay_whole(recognised, corrected, kept):
    pieces = kept_words(recognised, corrected)
    assert "".join(text for text, _ in pieces) == corrected
    assert [place for _, place in pieces if place is not None] == kept
