"""Words and how they are spelled in a model's tokens, a line each: WORD<tab>T O K E N S |, or WORD<tab>P H O N E S."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.settings import DecodingError

LONGEST_WORD = 60

Spellings = dict[str, list[list[int]]]
"""Word -> its spellings in token indices, the separator last where the tokens have one: letters do, phones do not."""


def read_lexicon(path: Path, vocabulary: Vocabulary) -> Spellings:
    """The words of a lexicon file. Words the model cannot spell are left out. Raises DecodingError."""
    index = {token: place for place, token in enumerate(vocabulary.tokens) if token not in vocabulary.specials}
    ends = [_separator(vocabulary)] if vocabulary.separator else []
    words: Spellings = {}
    for number, line in enumerate(_lines(path), 1):
        word, _, spelling = line.strip().partition("\t")
        if not word:
            continue
        names = spelling.split()
        if not names:
            raise DecodingError(f"{path}, line {number}: {word!r} has no spelling; write WORD<tab>W O R D |")
        tokens = [index.get(name, -1) for name in names]
        if tokens[-1:] != ends:
            tokens += ends
        if -1 not in tokens and len(tokens) <= LONGEST_WORD:
            words.setdefault(word, []).append(tokens)
    if not words:
        raise DecodingError(f"{path} has no word that this model's {len(vocabulary)} tokens can spell")
    return words


def spell_words(words: Iterator[str], vocabulary: Vocabulary) -> Spellings:
    """Words spelled by letter; those the model cannot spell are left out."""
    index = {token: place for place, token in enumerate(vocabulary.tokens) if token not in vocabulary.specials}
    separator = _separator(vocabulary)
    spellings: Spellings = {}
    for word in words:
        tokens = [index.get(letter, -1) for letter in word]
        if -1 not in tokens and separator not in tokens and 0 < len(tokens) < LONGEST_WORD:
            spellings[word] = [[*tokens, separator]]
    return spellings


def arpa_words(path: Path) -> Iterator[str]:
    """The words of the 1-grams of an ARPA file (.gz too). Raises DecodingError for a file of another kind."""
    is_unigram = False
    for line in _lines(path):
        if line.startswith("\\"):
            if is_unigram:
                return
            is_unigram = line.startswith("\\1-grams:")
        elif is_unigram and (fields := line.split("\t")) and len(fields) > 1:
            yield fields[1].strip()
    if not is_unigram:
        raise DecodingError(
            f"{path} does not list its words (it is not an ARPA file): give a lexicon too, lines of WORD<tab>W O R D |"
        )


def _separator(vocabulary: Vocabulary) -> int:
    if vocabulary.separator not in vocabulary.tokens:
        raise DecodingError(
            f"this model has no token for the space between words ({vocabulary.separator!r}), so that a word language "
            f"model cannot be used with it: decode by greedy or beam"
        )
    return vocabulary.tokens.index(vocabulary.separator)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            unpacked = gzip.GzipFile(fileobj=raw) if is_packed else raw
            with io.TextIOWrapper(unpacked, encoding="utf-8") as text:
                for line in text:
                    yield line.rstrip("\n")
    except FileNotFoundError as error:
        raise DecodingError(f"there is no file {path}") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DecodingError(f"{path} cannot be read as text ({error})") from error
