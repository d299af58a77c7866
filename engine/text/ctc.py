"""Greedy CTC decoding with word times and confidences; numpy only, no loop over frames or letters.

frames      0 1 2 3 4 5 6 7
argmax      C C - A T T - |        ->  C [0, 2)  A [3, 4)  T [4, 6)  | [7, 8)

Other decoders make words of their own paths of one token a frame with `words_of_path`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.text.confidence import DEFAULT_TEMPERATURE, frame_confidence
from engine.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds and a confidence in 0 to 1 (the least of its frames')."""

    word: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, eq=False)
class TokenKinds:
    """What each index of a vocabulary stands for: `is_letter` and `is_separator` (tokens,), and its `text`."""

    is_letter: NDArray[np.bool_]
    is_separator: NDArray[np.bool_]
    text: tuple[str, ...]


@lru_cache(maxsize=16)
def token_kinds(vocabulary: Vocabulary) -> TokenKinds:
    """The table of a vocabulary; blank and specials are neither letter nor separator."""
    silent = [
        place == vocabulary.blank or (token in vocabulary.specials and token != vocabulary.separator)
        for place, token in enumerate(vocabulary.tokens)
    ]
    separator = np.array([token == vocabulary.separator for token in vocabulary.tokens])
    return TokenKinds(~(np.array(silent) | separator), separator & ~np.array(silent), vocabulary.tokens)


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def words_of_path(
    path: NDArray[np.intp],
    logits: NDArray[np.float32],
    vocabulary: Vocabulary,
    stride_s: float = 0.02,
    offset_s: float = 0.0,
    temperature: float = DEFAULT_TEMPERATURE,
) -> list[Word]:
    """Words of a CTC path (frames,) over `logits` (frames, tokens): repeats merged, blanks and specials dropped.

    Times are frames x `stride_s` + `offset_s`, from a word's first letter frame to its last one's end.
    """
    if len(path) == 0:
        return []
    kinds = token_kinds(vocabulary)
    starts = np.concatenate(([0], (path[1:] != path[:-1]).nonzero()[0] + 1))
    tokens = path[starts]
    letters = kinds.is_letter[tokens].nonzero()[0]
    if len(letters) == 0:
        return []
    ends = np.append(starts[1:], len(path))[letters]
    numbers = kinds.is_separator[tokens].cumsum()[letters]  # separators before each letter
    firsts = np.concatenate(([0], (numbers[1:] != numbers[:-1]).nonzero()[0] + 1))
    lasts = np.append(firsts[1:], len(letters))
    frames = kinds.is_letter[path].nonzero()[0]
    begins = starts[letters][firsts]
    least = np.minimum.reduceat(frame_confidence(logits[frames], temperature), frames.searchsorted(begins))
    texts = [kinds.text[token] for token in tokens[letters].tolist()]
    columns = zip(
        firsts.tolist(),
        lasts.tolist(),
        (begins * stride_s + offset_s).round(4).tolist(),
        (ends[lasts - 1] * stride_s + offset_s).round(4).tolist(),
        least.tolist(),
        strict=True,
    )
    words = (
        Word("".join(texts[first:last]), start_s, end_s, confidence)
        for first, last, start_s, end_s, confidence in columns
    )
    return [word for word in words if word.word.strip()]


def decode_words(
    logits: NDArray[np.float32],
    vocabulary: Vocabulary,
    stride_s: float = 0.02,
    offset_s: float = 0.0,
    temperature: float = DEFAULT_TEMPERATURE,
) -> list[Word]:
    """Greedy words of `logits` (frames, tokens)."""
    return words_of_path(logits.argmax(axis=-1), logits, vocabulary, stride_s, offset_s, temperature)


def text_of(words: Sequence[Word]) -> str:
    """The words, separated by spaces."""
    return " ".join(word.word for word in words)
