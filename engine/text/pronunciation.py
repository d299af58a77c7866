"""Words as phones: lexicons of pronunciations, WORD<tab>P H O N E S, one a line (gzip too). No torch.

A network may learn phones beside letters (`ctc.lexicon`): its head then has a column for each letter, and after them
one for a blank of their own and one for each phone, two outputs of CTC over the same contexts. English spells one sound
in many ways, which takes many hours of speech to learn; a lexicon knows it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.text.spelling import SpellingRules
from engine.text.vocabulary import Vocabulary

PHONE_BLANK = "<pad>"
LEXICON_FILES = ("lexicon.txt.gz", "lexicon.txt")
"""Names that a lexicon may have in a bundle."""


class LexiconError(ValueError):
    """A lexicon that cannot be used. The message names the file and the line."""


def lexicon_file(folder: Path) -> Path | None:
    """The lexicon of a bundle, if it holds one."""
    return next((folder / name for name in LEXICON_FILES if (folder / name).is_file()), None)


def phone_vocabulary(phones: Iterable[str]) -> Vocabulary:
    """The tokens of the phones' part of a head: the blank first. No token separates words."""
    return Vocabulary((PHONE_BLANK, *phones), 0, "")


def read_pronunciations(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Words and phones, line by line. Raises LexiconError."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                word, _, phones = line.strip().partition("\t")
                if word and not phones.split():
                    raise LexiconError(f"{path}, line {number}: {word!r} has no phones; write WORD<tab>P H O N E S")
                if word:
                    yield word, phones.split()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise LexiconError(f"cannot read the lexicon {path}: {error}") from error


class Pronunciations:
    """The first pronunciation of each word, over `phones`; those of the lexicon where None. Raises LexiconError."""

    def __init__(self, path: Path, phones: Iterable[str] | None = None) -> None:
        self._lines = list(read_pronunciations(path))
        if not self._lines:
            raise LexiconError(f"the lexicon {path} is empty: it needs lines of WORD<tab>P H O N E S")
        found = sorted({phone for _, sounds in self._lines for phone in sounds})
        self.phones = tuple(found if phones is None else phones)
        self._index = {phone: place for place, phone in enumerate(self.phones, 1)}
        self._words: dict[str, list[int]] = {}
        for word, sounds in self._lines:
            self._take(word, sounds)

    def _take(self, word: str, sounds: list[str]) -> None:
        if word not in self._words and all(phone in self._index for phone in sounds):
            self._words[word] = [self._index[phone] for phone in sounds]

    def learn(self, words: Iterable[str]) -> list[str]:
        """Pronounce the words that the lexicon lacks by the rules that its own words show; those that were added."""
        missing = sorted(set(words) - self._words.keys())
        if not missing:
            return []
        known: dict[str, list[str]] = {}
        for word, sounds in self._lines:
            known.setdefault(word, sounds)
        rules = SpellingRules(known)
        added = [(word, sounds) for word in missing if (sounds := rules.phones(word))]
        for word, sounds in added:
            self._lines.append((word, sounds))
            self._take(word, sounds)
        return [word for word, _ in added]

    def save(self, path: Path) -> None:
        """Write all words and pronunciations, packed; whole or not at all."""
        part = path.with_name(path.name + ".tmp")
        text = "".join(f"{word}\t{' '.join(sounds)}\n" for word, sounds in self._lines)
        with part.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            packed.write(text.encode())
        part.replace(path)

    def encode(self, transcript: str) -> list[int] | None:
        """Indices of the phones of a transcript; None where it has a word that the lexicon lacks."""
        words = [self._words.get(word) for word in transcript.split()]
        if not words or None in words:
            return None
        return [phone for word in words if word is not None for phone in word]
