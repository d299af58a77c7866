"""CTC prefix beam search without a language model: the words whose paths have the largest sum of probabilities.

A hypothesis is a text and the token of its last frame: as in other implementations, a text that ends in a blank and the
same text that ends in its letter each have a place in the beam. Separators at the start or behind one another
make no words, and so no other text.

In Python, as few tokens are worth following in a frame; this is quicker than it looks (benchmarks/decoding.py).
"""

from __future__ import annotations

import itertools
from math import exp, log1p
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from engine.text.alignment import align_tokens
from engine.text.ctc import Word, words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE, emissions

BEAM_THRESHOLD = 10.0
"""Hypotheses this much (natural log) below the best of their frame are dropped."""
NO_TOKEN = -1

Hypothesis = tuple[int, int]
"""Number of a text, token of the last frame."""


class BeamDecoder:
    """Prefix beam search over `beam_width` hypotheses; times by forced alignment of the text it finds."""

    def __init__(self, vocabulary: Vocabulary, stride_s: float, temperature: float, beam_width: int = 32) -> None:
        self._vocabulary, self._stride_s, self._temperature = vocabulary, stride_s, temperature
        self._beam_width = beam_width
        tokens = vocabulary.tokens
        self._separator = tokens.index(vocabulary.separator) if vocabulary.separator in tokens else NO_TOKEN

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """Words of `logits` (frames, tokens); their times count `first_frame` frames before the first row."""
        if len(logits) == 0:
            return []
        logits = logits[:, : len(self._vocabulary)]
        blank = self._vocabulary.blank
        given = emissions(logits, self._vocabulary)
        text = search_prefixes(given.scores, blank, self._separator, self._beam_width)
        path = given.whole_path(align_tokens(given.scores, text, blank), blank)
        offset_s = first_frame * self._stride_s
        return words_of_path(path, logits, self._vocabulary, self._stride_s, offset_s, self._temperature)


def search_prefixes(
    scores: NDArray[np.float32], blank: int, separator: int, beam_width: int, threshold: float = BEAM_THRESHOLD
) -> list[int]:
    """Tokens of the best text of `scores` (frames, tokens), repeats merged and blanks removed.

    Texts are numbers: `texts[n]` is the text that n continues and the token it adds, so that equal texts have one
    number. 0 is the empty text.
    """
    texts: list[Hypothesis] = [(0, separator)]
    number: dict[Hypothesis, int] = {}
    beam: list[tuple[Hypothesis, float]] = [((0, blank), 0.0)]
    by_score = itemgetter(1)
    for followed in _followed(scores):
        grown: dict[Hypothesis, float] = {}
        floor = beam[0][1] + followed[0][1] - threshold
        for token, value in followed:
            for hypothesis, before in beam:
                score = before + value
                if score < floor:
                    break  # the rest of the beam is worse
                text, last = hypothesis
                if token != blank and token != last and not (token == separator and texts[text][1] == separator):
                    step = (text, token)
                    known = number.get(step)
                    if known is None:
                        known = number[step] = len(texts)
                        texts.append(step)
                    text = known
                key = (text, token)
                other = grown.get(key)
                if other is None:
                    grown[key] = score
                elif other > score:
                    grown[key] = other + log1p(exp(score - other))
                else:
                    grown[key] = score + log1p(exp(other - score))
        beam = sorted(grown.items(), key=by_score, reverse=True)[:beam_width]
    return _best_words(beam, texts, separator)


def _followed(scores: NDArray[np.float32]) -> list[list[tuple[int, float]]]:
    """For each frame the tokens worth following and their log-probabilities, best first."""
    rows, columns = np.nonzero(scores > IMPOSSIBLE / 2)
    values = scores[rows, columns]
    order = np.lexsort((-values, rows))
    pairs = list(zip(columns[order].tolist(), values[order].tolist(), strict=True))
    bounds = rows.searchsorted(np.arange(len(scores) + 1)).tolist()
    return [pairs[start:end] for start, end in itertools.pairwise(bounds)]


def _best_words(beam: list[tuple[Hypothesis, float]], texts: list[Hypothesis], separator: int) -> list[int]:
    """The tokens of the words with the largest sum: a text may end with a separator or not, in a blank or not."""
    totals: dict[int, float] = {}
    longest: dict[int, int] = {}
    for (text, _), score in beam:
        words = texts[text][0] if text and texts[text][1] == separator else text
        longest.setdefault(words, text)  # the likelier comes first
        best, rest = max(totals.get(words, -np.inf), score), min(totals.get(words, -np.inf), score)
        totals[words] = best + log1p(exp(rest - best))
    text, tokens = longest[max(totals, key=totals.__getitem__)], []
    while text:
        text, token = texts[text]
        tokens.append(token)
    return tokens[::-1]
