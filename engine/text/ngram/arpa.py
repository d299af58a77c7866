"""Models as ARPA files, the text format of all n-gram programs; packed where the name ends in .gz."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

from engine.text.ngram.backoff_model import BackoffModel
from engine.text.ngram.corpus import SPECIAL_WORDS
from engine.text.vocabulary import Vocabulary


def write_arpa(path: Path, model: BackoffModel) -> None:
    """Write `model`, whole or not at all."""
    part = path.with_name(path.name + ".tmp")
    with part.open("wb") as raw:
        # Without name and time, equal models are equal files.
        packed = gzip.GzipFile("", "wb", 6, raw, 0) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text:
            text.writelines(_lines(model))
    part.replace(path)


def write_lexicon(path: Path, model: BackoffModel, vocabulary: Vocabulary) -> int:
    """Write WORD<tab>L E T T E R S | for each word; their number."""
    words = sorted(word for word in model.words if word not in SPECIAL_WORDS)
    part = path.with_name(path.name + ".tmp")
    with part.open("w", encoding="utf-8", newline="\n") as text:
        text.writelines(f"{word}\t{' '.join(word)} {vocabulary.separator}\n" for word in words)
    part.replace(path)
    return len(words)


def _lines(model: BackoffModel) -> Iterator[str]:
    yield "\\data\\\n"
    for length, grams in enumerate(model.grams, 1):
        yield f"ngram {length}={len(grams)}\n"
    texts: list[str] = []
    for length, grams in enumerate(model.grams, 1):
        yield f"\n\\{length}-grams:\n"
        last = [model.words[word] for word in grams.word.tolist()]
        if length == 1:
            texts = last
        else:
            texts = [f"{texts[prefix]} {word}" for prefix, word in zip(grams.prefix.tolist(), last, strict=True)]
        if length == model.order:
            for log_prob, words in zip(grams.log_prob.tolist(), texts, strict=True):
                yield f"{log_prob:.5f}\t{words}\n"
        else:
            for log_prob, words, backoff in zip(grams.log_prob.tolist(), texts, grams.backoff.tolist(), strict=True):
                yield f"{log_prob:.5f}\t{words}\t{backoff:.5f}\n"
    yield "\n\\end\\\n"
