"""Several phrases as one tree of letters, and where their letters may be in a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Phrase:
    """A hotword in tokens, separators between its words; `boost` in natural log."""

    text: str
    tokens: tuple[int, ...]
    boost: float


@dataclass(frozen=True)
class Found:
    """A phrase between frames [start, end); `score` is its log-probability against the best path's, with the boost."""

    phrase: Phrase
    start: int
    end: int
    score: float


class PhraseTree:
    """All phrases by their letters. Node 0 is the root; a node's parent comes before it."""

    def __init__(self, phrases: list[Phrase], blank: int) -> None:
        self._blank = blank
        nodes: dict[tuple[int, ...], int] = {(): 0}
        ends: dict[int, Phrase] = {}
        for phrase in phrases:
            for length in range(1, len(phrase.tokens) + 1):
                nodes.setdefault(phrase.tokens[:length], len(nodes))
            node = nodes[phrase.tokens]
            if node not in ends or ends[node].boost < phrase.boost:
                ends[node] = phrase
        ways = list(nodes)
        self._token = np.array([way[-1] if way else blank for way in ways])
        self._parent = np.array([nodes[way[:-1]] for way in ways])
        # A letter follows the same letter only over a blank.
        self._barrier = np.where(self._token == self._token[self._parent], -np.inf, 0).astype(np.float32)
        self._phrases = list(ends.values())
        self._ends = np.array(list(ends), np.intp)
        self._boosts = np.array([phrase.boost for phrase in self._phrases], np.float32)
        self._reach = self._reachable_boosts()
        first = (self._parent == 0).nonzero()[0][1:]
        self._first_tokens, self._first_reach = self._token[first], self._reach[first]

    def follow(self, relative: NDArray[np.float32], kept: NDArray[np.intp]) -> list[Found]:
        """Phrases that boost included are above 0 in `relative` (kept frames, tokens), entered at any frame.

        `relative` is 0 for the best token of a frame and negative for others; `kept` are the frames' numbers.
        """
        frames, nodes = len(relative), len(self._token)
        letters = np.full((frames + 1, nodes), -np.inf, np.float32)
        silents = np.full((frames + 1, nodes), -np.inf, np.float32)
        silents[:, 0] = 0  # a phrase may begin in any frame, at no cost
        may_enter = (relative[:, self._first_tokens] + self._first_reach > 0).any(axis=1).tolist()
        values = relative[:, self._token]
        values[:, 0] = -np.inf
        blanks = relative[:, self._blank]
        is_active = False
        best = np.empty(nodes, np.float32)
        for row in range(frames):
            if not (is_active or may_enter[row]):
                continue
            letter, silent = letters[row], silents[row]
            np.add(letter[self._parent], self._barrier, out=best)
            np.maximum(best, silent[self._parent], out=best)
            np.maximum(best, letter, out=best)
            np.add(best, values[row], out=letters[row + 1])
            np.maximum(letter, silent, out=best)
            np.add(best[1:], blanks[row], out=silents[row + 1, 1:])
            # Scores only fall: what its boost cannot lift above 0 any more will never count.
            is_active = bool((np.maximum(letters[row + 1], silents[row + 1])[1:] + self._reach[1:] > 0).any())
        scores = letters[1:, self._ends] + self._boosts
        return self._peaks(scores, letters, silents, kept)

    def _peaks(
        self,
        scores: NDArray[np.float32],
        letters: NDArray[np.float32],
        silents: NDArray[np.float32],
        kept: NDArray[np.intp],
    ) -> list[Found]:
        """The best end of each phrase and start."""
        best: dict[tuple[int, int], Found] = {}
        for row, column in np.argwhere(scores > 0).tolist():
            start = self._start(row, int(self._ends[column]), letters, silents)
            found = Found(self._phrases[column], int(kept[start]), int(kept[row]) + 1, float(scores[row, column]))
            if (column, start) not in best or best[column, start].score < found.score:
                best[column, start] = found
        return list(best.values())

    def _start(self, row: int, node: int, letters: NDArray[np.float32], silents: NDArray[np.float32]) -> int:
        """The row of the first letter of the best path that is at a letter node in a row."""
        is_letter = True
        while True:
            # letters[row] and silents[row] are those before the row was looked at
            if not is_letter:
                is_letter = bool(letters[row, node] > silents[row, node])
            else:
                parent = int(self._parent[node])
                stay, over = letters[row, node], letters[row, parent] + self._barrier[node]
                if stay < max(over, silents[row, parent]):
                    if parent == 0:
                        return row
                    node, is_letter = parent, bool(over > silents[row, parent])
            row -= 1

    def _reachable_boosts(self) -> NDArray[np.float32]:
        """The largest boost of the phrases that each node leads to."""
        reach = np.zeros(len(self._token), np.float32)
        reach[self._ends] = self._boosts
        for node in range(len(reach) - 1, 0, -1):
            parent = self._parent[node]
            reach[parent] = max(reach[parent], reach[node])
        return reach
