"""An n-gram model with back-off as arrays, which scores a word after each of many histories at once.

Every n-gram w1 ... wn is a node whose parent is w1 ... wn-1; node 0 is the empty one, node 1 + w the word w alone. A
history is a node too: the longest end of what was said that the model knows more about.
"""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.packed import SUFFIX, Level, PackedModelError, read_packed
from w2v_studio.recognition.decoding.settings import DecodingError

LN_10 = np.log(10)
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
UNKNOWN_LOG10 = -100.0
"""Of a word that the model lacks, if it has no <unk>; as KenLM."""

Nodes = NDArray[np.int32]


class NgramStates:
    """The model of a file that build-lm wrote (.npz), or of an ARPA file (.gz too). Raises DecodingError."""

    def __init__(self, path: Path) -> None:
        if path.suffix == SUFFIX:
            names, levels = _read_packed(path)
            sections = []
        else:
            sections = _read(path)
            names = [name.decode("utf-8", "replace") for name in sections[0].words]
            levels = [Level(np.zeros(0, np.int64), np.zeros(0, np.int64), sections[0].log_probs, sections[0].backoffs)]
        self.words = {name: place for place, name in enumerate(names)}
        self._size = len(names) + 1
        self._keys = np.zeros(0, np.int64)
        self._log_probs = np.append(np.zeros(1, np.float32), levels[0].log_prob)
        self._backoffs = np.append(np.zeros(1, np.float32), levels[0].backoff)
        if UNKNOWN not in self.words:
            self.words[UNKNOWN] = len(names)
            self._log_probs = np.append(self._log_probs, np.float32(UNKNOWN_LOG10))
            self._backoffs = np.append(self._backoffs, np.float32(0))
            self._size += 1
        self._first = self._size
        """The node of the first key."""
        begins = [1, self._size]
        for level in levels[1:]:
            # Beginnings are nodes of the level before, in the same order.
            self._add(level.prefix + begins[-2], level.word, level.log_prob, level.backoff)
            begins.append(len(self._log_probs))
        index = {name: place for place, name in enumerate(sections[0].words)} if sections else {}
        for order, section in enumerate(sections[1:], 2):
            rows = section.rows(index, order, path)
            parents = rows[:, 0] + 1
            for column in range(1, order - 1):
                parents = self._find(parents, rows[:, column])
                if (parents < 0).any():
                    raise DecodingError(f"{path} has {order}-grams whose beginnings it lacks: it is damaged")
            self._add(parents, rows[:, -1], section.log_probs, section.backoffs)
            begins.append(len(self._log_probs))
        self._log_probs *= np.float32(LN_10)
        self._backoffs *= np.float32(LN_10)
        self._link(begins[1:])
        self.order = len(begins) - 1
        self.nodes = len(self._log_probs)
        self.start = int(self._states[1 + self.words[BEGIN]]) if BEGIN in self.words else 0

    def _add(
        self,
        parents: NDArray[np.integer],
        words: NDArray[np.integer],
        log_probs: NDArray[np.float32],
        backoffs: NDArray[np.float32],
    ) -> None:
        """Nodes one word longer than those before. As their parents come later than others', keys stay in order."""
        keys = parents.astype(np.int64) * self._size + words
        if (keys[1:] < keys[:-1]).any():
            ranks = np.argsort(keys, kind="stable")
            keys, log_probs, backoffs = keys[ranks], log_probs[ranks], backoffs[ranks]
        self._keys = np.concatenate((self._keys, keys))
        self._log_probs = np.concatenate((self._log_probs, log_probs))
        self._backoffs = np.concatenate((self._backoffs, backoffs))

    def word(self, name: str) -> int:
        """The word's number, that of the unknown word for what the model lacks."""
        return self.words.get(name, self.words[UNKNOWN])

    def score(self, histories: Nodes, words: NDArray[np.int32]) -> tuple[NDArray[np.float32], Nodes]:
        """Natural log-probability of each of `words` (n,) after its one of `histories` (n,), and the history then."""
        scores = np.zeros(len(words), np.float32)
        after = np.zeros(len(words), np.int32)
        waiting, nodes, wanted = np.arange(len(words)), histories, words
        while len(waiting):
            found = self._find(nodes, wanted)
            known = found >= 0
            done = waiting[known]
            scores[done] += self._log_probs[found[known]]
            after[done] = self._states[found[known]]
            waiting, nodes, wanted = waiting[~known], nodes[~known], wanted[~known]
            scores[waiting] += self._backoffs[nodes]
            nodes = self._suffixes[nodes]
        return scores, after

    def finish(self, histories: Nodes) -> NDArray[np.float32]:
        """Natural log-probability that a sentence ends after each of `histories`; 0 where the model has no such end."""
        if END not in self.words:
            return np.zeros(len(histories), np.float32)
        return self.score(histories, np.full(len(histories), self.words[END], np.int32))[0]

    def _find(self, nodes: NDArray[np.integer], words: NDArray[np.integer]) -> Nodes:
        """The node of each word behind its node, -1 where there is none."""
        keys = nodes.astype(np.int64) * self._size + words
        if len(self._keys):
            places = np.minimum(self._keys.searchsorted(keys), len(self._keys) - 1)
            found = np.where(self._keys[places] == keys, places + self._first, -1)
        else:
            found = np.full(len(keys), -1)
        return np.where(nodes == 0, words + 1, found).astype(np.int32)

    def _link(self, levels: list[int]) -> None:
        """For each node: the longest known end of it, and the history that it leaves, which has more behind it."""
        size = len(self._log_probs)
        self._suffixes = np.zeros(size, np.int32)
        has_more = np.zeros(size, bool)
        parents = (self._keys // self._size).astype(np.int32)
        words = (self._keys % self._size).astype(np.int32)
        has_more[parents] = True
        has_more |= self._backoffs != 0
        self._states = np.where(has_more, np.arange(size, dtype=np.int32), 0)
        for begin, end in pairwise(levels):
            own = slice(begin - self._first, end - self._first)
            ends = self._suffixes[parents[own]]
            found = self._find(ends, words[own])
            while (missing := found < 0).any():
                ends[missing] = self._suffixes[ends[missing]]
                found[missing] = self._find(ends[missing], words[own][missing])
            self._suffixes[begin:end] = found
            bare = ~has_more[begin:end]
            self._states[begin:end][bare] = self._states[found[bare]]


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

    def rows(self, index: dict[bytes, int], order: int, path: Path) -> NDArray[np.int32]:
        """(n-grams, order) numbers of their words."""
        try:
            columns = [[index[word] for word in column] for column in self._columns]
        except KeyError as error:
            word = error.args[0].decode("utf-8", "replace")
            raise DecodingError(f"{path} has {order}-grams with {word!r}, which is not among its words") from error
        return np.array(columns, np.int32).reshape(order, -1).T


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _read_packed(path: Path) -> tuple[list[str], list[Level]]:
    try:
        return read_packed(path)
    except FileNotFoundError as error:
        raise DecodingError(f"there is no language model {path}") from error
    except (OSError, PackedModelError) as error:
        raise DecodingError(f"{path} cannot be read as a language model ({error})") from error


def _read(path: Path) -> list[_Section]:
    """The sections of the file, shortest n-grams first."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except FileNotFoundError as error:
        raise DecodingError(f"there is no language model {path}") from error
    except (OSError, EOFError) as error:
        raise DecodingError(f"{path} cannot be read ({error})") from error
    sections: list[_Section] = []
    at = content.find(b"\\1-grams:")
    while at >= 0:
        begin = content.index(b"\n", at) + 1
        end = content.find(b"\n\\", begin)
        sections.append(_Section(content[begin : end if end >= 0 else None].strip(b"\n\r\t "), len(sections) + 1, path))
        at = content.find(b"\\%d-grams:" % (len(sections) + 1), end) if end >= 0 else -1
    if not sections or not sections[0].words:
        raise DecodingError(f"{path} is no ARPA file, or an empty one: make one with w2v-engine build-lm")
    return sections
