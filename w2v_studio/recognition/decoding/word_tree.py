"""A lexicon as a tree of sounds, in arrays: where each node's next sounds are, and which words end there.

Nodes are numbered breadth first from 0, the root, so that the children of a node are neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


class WordTree:
    """Of words with their ways to be spoken, and what each word is worth at its best.

    `spellings` has for each word of `worth` (words,) its ways in tokens. `best` (nodes,) is the highest worth under a
    node, 0 at the root.
    """

    def __init__(self, spellings: Sequence[Sequence[Sequence[int]]], worth: NDArray[np.float32]) -> None:
        ways = [(word, way) for word, ways in enumerate(spellings) for way in ways]
        lengths = np.array([len(way) for _, way in ways], np.int32)
        words = np.array([word for word, _ in ways], np.int32)
        table = np.full((len(ways), int(lengths.max(initial=0))), -1, np.int32)
        for row, (_, way) in zip(table, ways, strict=True):
            row[: len(way)] = way
        nodes = np.zeros(len(ways), np.int64)
        tokens, parents, levels = [np.full(1, -1, np.int32)], [np.full(1, -1, np.int32)], [0, 1]
        width = int(table.max(initial=0)) + 1
        for depth in range(table.shape[1]):
            long = lengths > depth
            pairs, places = np.unique(nodes[long] * width + table[long, depth], return_inverse=True)
            nodes[long] = places + levels[-1]
            parents.append((pairs // width).astype(np.int32))
            tokens.append((pairs % width).astype(np.int32))
            levels.append(levels[-1] + len(pairs))
        self.tokens, self.parents = np.concatenate(tokens), np.concatenate(parents)
        count = len(self.tokens)
        children = np.bincount(self.parents[1:], minlength=count)
        self.first_child = np.concatenate(([1], 1 + children.cumsum())).astype(np.int32)
        # A way that stands twice is one.
        ended = np.unique(nodes * (len(worth) + 1) + words)
        self.words = (ended % (len(worth) + 1)).astype(np.int32)
        at = (ended // (len(worth) + 1)).astype(np.int64)
        self.first_word = np.concatenate(([0], np.bincount(at, minlength=count).cumsum())).astype(np.int32)
        self.best = np.full(count, -np.inf, np.float32)
        np.maximum.at(self.best, at, worth[self.words])
        for begin, end in reversed([*pairwise(levels[1:])]):
            np.maximum.at(self.best, self.parents[begin:end], self.best[begin:end])
        self.best[0] = 0.0

    def __len__(self) -> int:
        return len(self.tokens)
