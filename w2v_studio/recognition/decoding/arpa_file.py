"""ARPA files, the text format of all n-gram programs, as levels of n-grams."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.packed import Level
from w2v_studio.recognition.decoding.settings import DecodingError


def read_arpa(path: Path) -> tuple[list[str], list[Level]]:
    """The words of a file (.gz too), and the n-grams of each length. Raises DecodingError."""
    first, *others = _sections(path)
    words, size = first.words, len(first.words)
    index = {word: place for place, word in enumerate(words)}
    levels = [Level(np.zeros(size, np.int64), np.arange(size), first.log_probs, first.backoffs)]
    keys: list[NDArray[np.int64]] = []
    for order, section in enumerate(others, 2):
        prefix, *further, word = section.numbers(index, order, path)
        for known, column in zip(keys, further, strict=True):
            wanted = prefix * size + column
            prefix = np.minimum(known.searchsorted(wanted), max(len(known) - 1, 0))
            if len(wanted) and not (len(known) and (known[prefix] == wanted).all()):
                raise DecodingError(f"{path} has {order}-grams whose beginnings it lacks: it is damaged")
        own = prefix * size + word
        ranks = np.argsort(own, kind="stable")
        keys.append(own[ranks])
        levels.append(Level(prefix[ranks], word[ranks], section.log_probs[ranks], section.backoffs[ranks]))
    return [word.decode("utf-8", "replace") for word in words], levels


class _Section:
    """The n-grams of one length as the file has them."""

    def __init__(self, text: bytes, order: int, path: Path) -> None:
        fields = text.split()
        lines = text.count(b"\n") + 1
        width = len(fields) // lines
        if width * lines != len(fields) or width not in (order + 1, order + 2) or not _is_number(fields[-width]):
            # Some lines have a back-off and others none.
            rows = [line.split() for line in text.splitlines()]
            if any(len(row) not in (order + 1, order + 2) for row in rows):
                raise DecodingError(f"{path} has {order}-grams with too few or too many words: it is no ARPA file")
            fields, width = [field for row in rows for field in (*row, b"0")[: order + 2]], order + 2
        self._columns = [fields[column::width] for column in range(1, order + 1)]
        self.words = self._columns[-1]
        try:
            self.log_probs = np.array(fields[::width], "S16").astype(np.float32)
            backoffs = fields[order + 1 :: width] if width == order + 2 else [b"0"] * lines
            self.backoffs = np.array(backoffs, "S16").astype(np.float32)
        except ValueError as error:
            raise DecodingError(f"{path} has {order}-grams whose log-probabilities are no numbers ({error})") from error

    def numbers(self, index: dict[bytes, int], order: int, path: Path) -> NDArray[np.int64]:
        """(order, n-grams): the numbers of their words."""
        try:
            columns = [[index[word] for word in column] for column in self._columns]
        except KeyError as error:
            word = error.args[0].decode("utf-8", "replace")
            raise DecodingError(f"{path} has {order}-grams with {word!r}, which is not among its words") from error
        return np.array(columns, np.int64).reshape(order, -1)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _sections(path: Path) -> list[_Section]:
    """The sections of the file, shortest n-grams first."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except FileNotFoundError as error:
        raise DecodingError(f"there is no language model {path}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DecodingError(f"{path} cannot be read ({error})") from error
    sections: list[_Section] = []
    at = content.find(b"\\1-grams:")
    while at >= 0:
        begin = content.find(b"\n", at) + 1 or len(content)
        end = content.find(b"\n\\", begin)
        sections.append(_Section(content[begin : end if end >= 0 else None].strip(b"\n\r\t "), len(sections) + 1, path))
        at = content.find(b"\\%d-grams:" % (len(sections) + 1), end) if end >= 0 else -1
    if not sections or not sections[0].words:
        raise DecodingError(f"{path} is no ARPA file, or an empty one: make one with w2v-engine build-lm")
    return sections
