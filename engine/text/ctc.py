"""Greedy CTC decoding with word times and confidences; numpy only, no loop over frames or letters.

frames      0 1 2 3 4 5 6 7
argmax      C C - A T T - |        ->  C [0, 2)  A [3, 4)  T [4, 6)  | [7, 8)

Other decoders make words of their own paths of one token a frame with `words_of_path`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.text.confidence import DEFAULT_TEMPERATURE, frame_confidence, path_confidence
from engine.text.vocabulary import Vocabulary

_ZERO = (0,)
_ENCODING = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds and a confidence in 0 to 1 (the least of its frames').

    `alternatives` are words that it may be instead, the likeliest first, where the decoder knows any.
    """

    word: str
    start_s: float
    end_s: float
    confidence: float
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TokenKinds:
    """What each index of a vocabulary stands for: `is_letter` and `is_separator` (tokens,), and its `text`.

    `characters` (tokens,) are the texts' first ones; `has_plain_letters` says that each letter has one, and no space.
    """

    is_letter: NDArray[np.bool_]
    is_separator: NDArray[np.bool_]
    text: tuple[str, ...]
    characters: NDArray[np.str_]
    has_plain_letters: bool


@lru_cache(maxsize=16)
def token_kinds(vocabulary: Vocabulary) -> TokenKinds:
    """The table of a vocabulary; blank and specials are neither letter nor separator."""
    tokens = vocabulary.tokens
    is_separator = np.array([token == vocabulary.separator for token in tokens])
    is_silent = np.array([token in vocabulary.specials for token in tokens])
    is_silent[vocabulary.blank] = True
    is_letter = ~(is_silent | is_separator)
    plain = all(
        len(token) == 1 and token != "\0" and not token.isspace()
        for token, counts in zip(tokens, is_letter, strict=True)
        if counts
    )
    return TokenKinds(is_letter, is_separator, tokens, np.array([token[:1] for token in tokens], "U1"), plain)


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
    largest: NDArray[np.float32] | None = None,
) -> list[Word]:
    """Words of a CTC path (frames,) over `logits` (frames, tokens): repeats merged, blanks and specials dropped.

    Times are frames x `stride_s` + `offset_s`, from a word's first letter frame to its last one's end.
    `largest` (frames,) are the rows' maxima, for a caller whose path is that of the likeliest tokens.
    """
    if len(path) == 0:
        return []
    kinds = token_kinds(vocabulary)
    bounds = _bounds(path)
    tokens = path[bounds[:-1]]
    letters = kinds.is_letter[tokens].nonzero()[0]
    if len(letters) == 0:
        return []
    separators_before = kinds.is_separator[tokens].cumsum()[letters]
    word_bounds = _bounds(separators_before)
    begins = bounds[letters[word_bounds[:-1]]]
    ends = bounds[letters[word_bounds[1:] - 1] + 1]
    frames = kinds.is_letter[path].nonzero()[0]
    rows = logits[frames]
    if largest is None:
        confidences = path_confidence(rows, path[frames], temperature)
    else:
        confidences = frame_confidence(rows, temperature, largest[frames])
    least = np.minimum.reduceat(confidences, frames.searchsorted(begins)).tolist()
    times = (np.concatenate((begins, ends)) * stride_s + offset_s).round(4).tolist()
    texts = _texts(kinds, tokens[letters], word_bounds.tolist())
    words = [Word(*columns) for columns in zip(texts, times[: len(least)], times[len(least) :], least, strict=True)]
    return words if kinds.has_plain_letters else [word for word in words if word.word.strip()]


def _bounds(values: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where runs of equal values start, and the end of the last one."""
    edges = (values[1:] != values[:-1]).nonzero()[0]
    edges += 1
    return np.concatenate((_ZERO, edges, (len(values),)))


def _texts(kinds: TokenKinds, tokens: NDArray[np.intp], bounds: list[int]) -> list[str]:
    """The words that letter tokens spell."""
    if kinds.has_plain_letters:
        # All letters at once; a token is a character.
        joined = kinds.characters[tokens].tobytes().decode(_ENCODING)
        return [joined[start:end] for start, end in itertools.pairwise(bounds)]
    letters = [kinds.text[token] for token in tokens.tolist()]
    return ["".join(letters[start:end]) for start, end in itertools.pairwise(bounds)]


def decode_words(
    logits: NDArray[np.float32],
    vocabulary: Vocabulary,
    stride_s: float = 0.02,
    offset_s: float = 0.0,
    temperature: float = DEFAULT_TEMPERATURE,
) -> list[Word]:
    """Greedy words of `logits` (frames, tokens)."""
    path = logits.argmax(axis=-1)
    largest = logits[np.arange(len(path)), path]
    return words_of_path(path, logits, vocabulary, stride_s, offset_s, temperature, largest)


def text_of(words: Sequence[Word]) -> str:
    """The words, separated by spaces."""
    return " ".join(word.word for word in words)
