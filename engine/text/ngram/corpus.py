"""Plain text to numbered words: the sentences that a word language model is counted from.

A stream of sentences is one array of word numbers, <s> w1 w2 ... </s>, one sentence behind the other.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.numerals import spell_numbers
from engine.text.vocabulary import Vocabulary

UNKNOWN, BEGIN, END = 0, 1, 2
SPECIAL_WORDS = ("<unk>", "<s>", "</s>")
"""The words numbered 0, 1 and 2."""
LONGEST_WORD = 60
_SENTENCE_END = re.compile(r"""(?<=[.!?])["'’”)\]]*\s+""")
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "‘": "'", "`": "'", "´": "'"})
_EDGES = re.compile(r"^'+|'+$")
_NOT_IN_WORDS = re.compile(r"[^\w']+|_+")


class TextError(ValueError):
    """Text that cannot be used. The message says which file, why, and what to do."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """`stream` (tokens,) of word numbers, see above; `words` by number, the three special ones first."""

    stream: NDArray[np.int32]
    words: tuple[str, ...]

    @property
    def sentences(self) -> int:
        """How many there are."""
        return int((self.stream == END).sum())

    @property
    def spoken_words(self) -> int:
        """Words, without the marks of the sentences' ends."""
        return int((self.stream != END).sum() - self.sentences)


class Normalizer:
    """Text as an acoustic model writes it: its letters, capital or small as it has them, words parted by spaces.

    Accents that it lacks are dropped, hyphens part words, apostrophes stay inside words; numbers are spelled where
    the language is "en". What cannot be written with its letters becomes <unk>.
    """

    def __init__(self, vocabulary: Vocabulary, language: str = "en") -> None:
        letters = {
            token for token in vocabulary.tokens if token not in vocabulary.specials and token != vocabulary.separator
        }
        self._letters = frozenset(letters)
        is_upper = sum(token.isupper() for token in letters) >= sum(token.islower() for token in letters)
        self._case: Callable[[str], str] = str.upper if is_upper else str.lower
        self._language = language
        plain = "".join(re.escape(token) for token in sorted(letters) if len(token) == 1)
        self._plain = re.compile(f"[{plain} ]*")

    def sentences(self, line: str) -> Iterator[list[str]]:
        """The words of each sentence in a line of text."""
        line = line.strip()
        if self._plain.fullmatch(line):  # already in the model's letters, which saves most of the time
            yield [word for word in (_EDGES.sub("", word) if "'" in word else word for word in line.split()) if word]
            return
        for sentence in _SENTENCE_END.split(line):
            words = [self._word(word) for word in self._split(sentence)]
            if words:
                yield words

    def _split(self, sentence: str) -> Iterator[str]:
        text = unicodedata.normalize("NFKC", sentence.translate(_APOSTROPHES))
        if self._language == "en":
            text = spell_numbers(text)
        for part in _NOT_IN_WORDS.split(self._case(text)):
            word = _EDGES.sub("", part)
            if word:
                yield word

    def _word(self, word: str) -> str:
        if not self._letters.issuperset(word):
            word = "".join(self._letter(letter) for letter in word)
        return word if self._letters.issuperset(word) and 0 < len(word) <= LONGEST_WORD else SPECIAL_WORDS[UNKNOWN]

    def _letter(self, letter: str) -> str:
        """The letter, without its accents if the model lacks them."""
        if letter in self._letters:
            return letter
        bare = "".join(part for part in unicodedata.normalize("NFD", letter) if not unicodedata.combining(part))
        return self._case(bare)


class _Numbers(dict[str, int]):
    """Word -> number, counting up as new words come."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def read_corpus(paths: Iterable[Path], normalizer: Normalizer, vocabulary_size: int = 0) -> Corpus:
    """All sentences of text files (.gz and .xz too). Words beyond the `vocabulary_size` most frequent become <unk>.

    0 keeps all. Raises TextError.
    """
    numbers = _Numbers({word: number for number, word in enumerate(SPECIAL_WORDS)})
    number_of = numbers.__getitem__
    stream = array("i")
    for path in paths:
        for line in read_lines(path):
            for words in normalizer.sentences(line):
                if words:
                    stream.append(BEGIN)
                    stream.extend(map(number_of, words))
                    stream.append(END)
    if not stream:
        raise TextError("the texts hold no words that the model can write: give plain text in its language")
    return _by_frequency(np.frombuffer(stream, np.int32), list(numbers), vocabulary_size)


def numbered(paths: Iterable[Path], normalizer: Normalizer, words: Iterable[str]) -> NDArray[np.int32]:
    """The stream of other texts in the word numbers of a model; words it does not have are <unk>."""
    place = {word: number for number, word in enumerate(words)}
    stream = array("i")
    for path in paths:
        for line in read_lines(path):
            for sentence in normalizer.sentences(line):
                if sentence:
                    stream.append(BEGIN)
                    stream.extend(place.get(word, UNKNOWN) for word in sentence)
                    stream.append(END)
    if not stream:
        raise TextError(f"{', '.join(map(str, paths))}: no words that the model can write")
    return np.frombuffer(stream, np.int32)


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 text, packed by gzip or xz or not; of a manifest (.tsv), the transcripts. Raises TextError."""
    try:
        with path.open("rb") as raw:
            start = raw.read(6)
            raw.seek(0)
            with _unpacked(raw, start) as text:
                yield from _transcripts(text, path) if path.suffix == ".tsv" else text
    except FileNotFoundError as error:
        raise TextError(f"there is no file {path}") from error
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TextError(f"{path} cannot be read as UTF-8 text ({error})") from error


def _unpacked(raw: IO[bytes], start: bytes) -> IO[str]:
    if start[:2] == b"\x1f\x8b":
        return gzip.open(raw, "rt", encoding="utf-8-sig")
    if start == b"\xfd7zXZ\x00":
        return io.TextIOWrapper(lzma.LZMAFile(raw), encoding="utf-8-sig")
    return io.TextIOWrapper(raw, encoding="utf-8-sig")


def _transcripts(text: Iterable[str], path: Path) -> Iterator[str]:
    lines = iter(text)
    names = next(lines, "").rstrip("\r\n").split("\t")
    if "transcript" not in names:
        raise TextError(f"{path} is a table without a column `transcript`: give a manifest, or plain text as .txt")
    column = names.index("transcript")
    for line in lines:
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) > column:
            yield fields[column]


def _by_frequency(stream: NDArray[np.int32], words: list[str], vocabulary_size: int) -> Corpus:
    """Renumber: special words first, then by falling frequency, so that the cut is a number."""
    first = len(SPECIAL_WORDS)
    counts = np.bincount(stream, minlength=len(words))
    order = np.concatenate((np.arange(first), first + np.argsort(-counts[first:], kind="stable")))
    if vocabulary_size > 0:
        order = order[: first + vocabulary_size]
    place = np.full(len(words), UNKNOWN, np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return Corpus(place[stream], tuple(words[number] for number in order.tolist()))
