"""How a transcript is brought into the letters of a vocabulary. The rule, in this order:

1. Unicode is composed (NFC); typographic apostrophes become ', and every kind of dash becomes a space, unless the
   vocabulary has the sign itself.
2. A letter that the vocabulary lacks is replaced by its upper or lower case, if the vocabulary has that.
3. Punctuation that the vocabulary lacks is left out (Unicode category P). Signs that are read aloud (& % @ # * / and
   currency) and marks of tags ([ ] < > { }) stay, so that the clip is told rather than its text silently wrong.
4. Runs of spaces become one.

Nothing else is changed: digits, letters with accents, other alphabets stay, and a clip that has symbols outside the
vocabulary is left out of training and listed by `w2v-engine check`. No torch.
"""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable

from engine.data.manifest import DataError
from engine.text.vocabulary import Vocabulary

APOSTROPHES = "\u2019\u2018\u02bc\u00b4`\u2032\uff07"
READ_ALOUD = frozenset("&%@#*/\\\u00a7\u2030\u2020")
TAG_MARKS = frozenset("[]<>{}")


class TranscriptRule:
    """The rule for one vocabulary; a call gives the transcript as it is trained on."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.letters = frozenset(token for token in vocabulary.tokens if token not in vocabulary.specials)
        self._separator = vocabulary.separator
        self._one = functools.lru_cache(maxsize=4096)(self._of_character)

    def __call__(self, text: str) -> str:
        """`text` in the vocabulary's letters, as far as the rule goes."""
        return " ".join("".join(map(self._one, unicodedata.normalize("NFC", text))).split())

    def unknown(self, text: str) -> list[str]:
        """The characters of a transcript that the vocabulary lacks, each as often as it occurs."""
        return [letter for letter in "".join(text.split()) if not self._has(letter)]

    def _has(self, letter: str) -> bool:
        return letter in self.letters and letter != self._separator

    def _of_character(self, character: str) -> str:
        if character.isspace() or self._has(character):
            return character
        if character in APOSTROPHES and "'" in self.letters:
            return "'"
        category = unicodedata.category(character)
        if category == "Pd":
            return " "
        for other in (character.upper(), character.lower()):
            if other != character and all(map(self._has, other)):
                return other
        if category.startswith("P") and character not in READ_ALOUD | TAG_MARKS:
            return ""
        return character


def vocabulary_of(transcripts: Iterable[str]) -> Vocabulary:
    """The vocabulary of a language as it is written here: its letters in upper case, most frequent first.

    An apostrophe counts as a letter where it stands between two of a word. Raises DataError where there is no letter.
    """
    counts: Counter[str] = Counter()
    for transcript in transcripts:
        text = unicodedata.normalize("NFC", transcript)
        text = "".join("'" if character in APOSTROPHES else character for character in text)
        # A letter whose capital is two (as \u00df) keeps its small form.
        capitals = [character.upper() if len(character.upper()) == 1 else character for character in text]
        for before, character, after in zip([" ", *capitals], capitals, [*capitals[1:], " "], strict=False):
            inside = character == "'" and before.isalpha() and after.isalpha()
            if inside or unicodedata.category(character)[0] in "LM":
                counts[character] += 1
    if not counts:
        raise DataError("there is no letter in the transcripts to make a vocabulary of: give data with transcripts")
    letters = sorted(counts, key=lambda letter: (-counts[letter], letter))
    return Vocabulary(("<pad>", "<s>", "</s>", "<unk>", "|", *letters))
