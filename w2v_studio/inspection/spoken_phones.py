"""The phones by which words were found, each where the network heard it best, and how sure the network is of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from engine.text.alignment import align_tokens, alignment_score
from engine.text.ctc import Word, log_softmax
from engine.text.vocabulary import Vocabulary
from w2v_studio.inspection.analysis import Floats

Ways = Callable[[str], Sequence[Sequence[int]]]
"""The ways to say a word, in tokens; none for one that the lexicon lacks."""


def spoken_phones(words: Sequence[Word], ways: Ways, logits: Floats, phones: Vocabulary, stride_s: float) -> list[Word]:
    """The phones of `words`, whose times count from the first row of `logits` (frames, tokens).

    Of several ways to say a word the likeliest. Confidence is the network's probability in the phone's surest frame,
    where the phone that it has instead, if it is a likelier one, is the alternative. A word that does not fit into its
    time has none.
    """
    log_probs, found = log_softmax(logits), []
    for word in words:
        first = round(word.start_s / stride_s)
        rows = log_probs[first : round(word.end_s / stride_s)]
        scores = [(alignment_score(rows, [*way], phones.blank), [*way]) for way in ways(word.word)]
        score, way = max(scores, default=(-np.inf, []))
        if score > -np.inf:
            path = align_tokens(rows, way, phones.blank)
            found += _runs(path, rows, phones, first, stride_s)
    return found


def _runs(path: np.ndarray, rows: Floats, phones: Vocabulary, first: int, stride_s: float) -> list[Word]:
    """Each run of a phone in `path`."""
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    runs = []
    for start, end in pairwise(edges.tolist()):
        token = int(path[start])
        if token == phones.blank:
            continue
        surest = rows[start + int(rows[start:end, token].argmax())]
        heard = int(np.delete(surest, phones.blank).argmax())
        heard += heard >= phones.blank
        others = (phones.tokens[heard],) if heard != token else ()
        times = (first + start) * stride_s, (first + end) * stride_s
        runs.append(Word(phones.tokens[token], *times, float(np.exp(surest[token])), others))
    return runs
