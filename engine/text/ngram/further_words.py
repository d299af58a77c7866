"""Words that the texts lack: counted as often as they would come in that much text of another kind or time.

Old books say nothing of e-mails. Kneser-Ney asks of a single word after how many different words it comes; a rare word
comes after another one nearly each time, so that is its share of running words times the length of the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.corpus import SPECIAL_WORDS, UNKNOWN, Corpus, Normalizer, TextError, read_lines
from engine.text.ngram.counts import Counts


def read_shares(path: Path, normalizer: Normalizer) -> dict[str, float]:
    """Lines WORD<tab>SHARE, how often a word comes in a running word, above 0 and below 1. Raises TextError."""
    shares: dict[str, float] = {}
    for number, line in enumerate(read_lines(path), 1):
        word, _, text = line.strip().partition("\t")
        if not word:
            continue
        try:
            share = float(text)
        except ValueError:
            share = 0.0
        written = [part for sentence in normalizer.sentences(word) for part in sentence]
        if not 0 < share < 1 or len(written) != 1 or written[0] == SPECIAL_WORDS[UNKNOWN]:
            raise TextError(
                f"{path}, line {number}: {line.strip()!r} is not one word in the model's letters, a tab, and its share "
                "of running words, such as 2e-6"
            )
        shares[written[0]] = share
    return shares


def with_words(corpus: Corpus, shares: Mapping[str, float]) -> Corpus:
    """The same texts, with numbers for words that they lack."""
    known = set(corpus.words)
    return replace(corpus, words=(*corpus.words, *(word for word in shares if word not in known)))


def count_further(single: Counts, corpus: Corpus, shares: Mapping[str, float]) -> Counts:
    """Counts of single words, with those that never come in `corpus` as their `shares` say."""
    further: NDArray[np.int64] = np.array(
        [
            max(1, round(shares.get(word, 0.0) * corpus.spoken_words)) if word in shares and count == 0 else 0
            for word, count in zip(corpus.words, single.count.tolist(), strict=True)
        ],
        np.int64,
    )
    return replace(single, count=single.count + further, adjusted=single.adjusted + further)
