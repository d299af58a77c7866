"""Greedy CTC decoding with letter and word times and confidences; numpy only.

frames      0 1 2 3 4 5 6 7
argmax      C C - A T T - |        ->  C [0, 2)  A [3, 4)  T [4, 6)  | [7, 8)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Token:
    """A merged run of one symbol: frames [start, end), `confidence` in 0 to 1."""

    index: int
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds and a confidence in 0 to 1 (the least of its letters')."""

    word: str
    start_s: float
    end_s: float
    confidence: float


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def merge_tokens(logits: NDArray[np.float32], blank: int) -> list[Token]:
    """The best path of `logits` (frames, tokens), repeats merged and blanks removed."""
    if len(logits) == 0:
        return []
    path = logits.argmax(axis=-1)
    top = np.exp(log_softmax(logits)[np.arange(len(path)), path])
    edges = np.flatnonzero(np.diff(path)) + 1
    starts = np.concatenate(([0], edges))
    ends = np.concatenate((edges, [len(path)]))
    peaks = np.maximum.reduceat(top, starts)
    return [
        Token(int(path[start]), int(start), int(end), float(peak))
        for start, end, peak in zip(starts, ends, peaks, strict=True)
        if path[start] != blank
    ]


def group_words(
    tokens: list[Token], vocabulary: Vocabulary, stride_s: float = 0.02, offset_s: float = 0.0
) -> list[Word]:
    """Words between separators; times are frames x `stride_s` + `offset_s`."""
    words: list[Word] = []
    current: list[Token] = []

    def close() -> None:
        text = vocabulary.decode([token.index for token in current])
        if text:
            start, end = current[0].start_frame, current[-1].end_frame
            times = (round(offset_s + start * stride_s, 4), round(offset_s + end * stride_s, 4))
            words.append(Word(text, *times, min(token.confidence for token in current)))
        current.clear()

    for token in tokens:
        name = vocabulary.tokens[token.index]
        if name == vocabulary.separator:
            close()
        elif name not in vocabulary.specials:
            current.append(token)
    close()
    return words


def decode_words(
    logits: NDArray[np.float32], vocabulary: Vocabulary, stride_s: float = 0.02, offset_s: float = 0.0
) -> list[Word]:
    """Greedy words of `logits` (frames, tokens)."""
    return group_words(merge_tokens(logits, vocabulary.blank), vocabulary, stride_s, offset_s)


def text_of(words: list[Word]) -> str:
    """The words, separated by spaces."""
    return " ".join(word.word for word in words)
