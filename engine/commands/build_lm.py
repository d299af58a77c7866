"""`w2v-engine build-lm`: a word language model of plain text, for decoding. No torch."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from engine.commands.usage import UsageError

HIGHEST_ORDER = 6


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "build-lm",
        help="make a word language model of plain text",
        description="Count the n-grams of texts and write a Kneser-Ney model, which w2v-studio decodes with: an ARPA "
        "file, or for models that know phones .npz, which is smaller. Texts are UTF-8 (.txt, .gz, .xz), or manifests "
        "(.tsv), whose transcripts count.",
    )
    command.add_argument("texts", nargs="+", type=Path, metavar="TEXT")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the model, .arpa, .arpa.gz or .npz")
    command.add_argument("--order", type=int, default=3, metavar="N", help="longest n-grams (default 3)")
    command.add_argument(
        "--prune",
        type=_cut_offs,
        default=(0, 1, 1),
        metavar="A,B,C",
        help="leave out n-grams that occur this often or less, a number for each length; the first must be 0 "
        "(default 0,1,1)",
    )
    command.add_argument(
        "--entropy",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="then leave out n-grams whose loss raises the perplexity by less than this share, such as 1e-8",
    )
    command.add_argument(
        "--vocabulary-size", type=int, default=0, metavar="N", help="most frequent words to keep (default all)"
    )
    command.add_argument(
        "--words",
        type=Path,
        metavar="FILE",
        help="words that the texts lack, lines of WORD<tab>SHARE, their share of running words",
    )
    command.add_argument("--vocabulary", type=Path, metavar="VOCAB.JSON", help="the model's letters (default English)")
    command.add_argument("--language", default="en", help="en spells numbers in words (default en)")
    command.add_argument("--lexicon", type=Path, metavar="FILE", help="also write the words and their spellings")
    command.add_argument(
        "--held-out", nargs="+", type=Path, default=[], metavar="TEXT", help="print the perplexity on it"
    )
    command.set_defaults(run=build)


def build(arguments: argparse.Namespace) -> int:
    """Build, write, measure; the exit status. Raises UsageError, VocabularyError."""
    _check(arguments)
    from engine.text.ngram.arpa import write_arpa, write_lexicon
    from engine.text.ngram.backoff_model import perplexity
    from engine.text.ngram.corpus import Normalizer, TextError, numbered, read_corpus
    from engine.text.ngram.counts import count_ngrams
    from engine.text.ngram.further_words import count_further, read_shares, with_words
    from engine.text.ngram.kneser_ney import estimate, to_model
    from engine.text.ngram.packed import SUFFIX, write_packed
    from engine.text.ngram.pruning import prune
    from engine.text.vocabulary import Vocabulary

    began = time.perf_counter()

    def tell(line: str) -> None:
        print(f"{time.perf_counter() - began:6.1f} s  {line}", file=sys.stderr, flush=True)

    vocabulary = Vocabulary.load(arguments.vocabulary) if arguments.vocabulary else Vocabulary.english()
    normalizer = Normalizer(vocabulary, arguments.language)
    try:
        corpus = read_corpus(arguments.texts, normalizer, arguments.vocabulary_size)
        tell(f"{corpus.spoken_words} words in {corpus.sentences} sentences, {len(corpus.words) - 3} different")
        shares = read_shares(arguments.words, normalizer) if arguments.words else {}
        corpus = with_words(corpus, shares)
        counts = count_ngrams(corpus.stream, len(corpus.words), arguments.order)
        counts[0] = count_further(counts[0], corpus, shares)
        tell(f"n-grams counted: {_sizes(len(table) for table in counts)}")
        estimates = estimate(counts, arguments.prune)
        if arguments.entropy > 0:
            estimates = prune(counts, estimates, arguments.entropy)
        model = to_model(corpus.words, counts, estimates)
        del counts, estimates
        tell(f"n-grams kept: {_sizes(len(grams) for grams in model.grams)}")
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        (write_packed if arguments.out.suffix == SUFFIX else write_arpa)(arguments.out, model)
        tell(f"wrote {arguments.out}, {arguments.out.stat().st_size / 1e6:.1f} MB")
        if arguments.lexicon:
            arguments.lexicon.parent.mkdir(parents=True, exist_ok=True)
            tell(f"wrote {arguments.lexicon}, {write_lexicon(arguments.lexicon, model, vocabulary)} words")
        for path in arguments.held_out:
            found = perplexity(model, numbered([path], normalizer, model.words))
            unknown = found.unknown / max(found.words, 1)
            print(f"{path}: perplexity {found.value:.1f}, {found.words} words, {unknown:.2%} of them unknown")
    except TextError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}; choose another place") from error
    return 0


def _sizes(lengths: Any) -> str:
    return ", ".join(f"{length} of length {place}" for place, length in enumerate(lengths, 1))


def _cut_offs(text: str) -> tuple[int, ...]:
    """0,1,1 as numbers. Raises argparse's error."""
    try:
        limits = tuple(int(part) for part in text.split(","))
    except ValueError:
        limits = ()
    if not limits or limits[0] != 0 or list(limits) != sorted(limits):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not start with 0 and stay or rise with the length of the n-grams; write for instance 0,1,1"
        )
    return limits


def _check(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.order <= HIGHEST_ORDER:
        raise UsageError(f"--order {arguments.order} is not from 1 to {HIGHEST_ORDER}")
    if not 0 <= arguments.entropy < 1:
        raise UsageError(f"--entropy {arguments.entropy} is not a share from 0 to 1, such as 1e-8")
    if arguments.vocabulary_size < 0:
        raise UsageError(f"--vocabulary-size {arguments.vocabulary_size} is below 0; 0 keeps all words")
    for path in [*arguments.texts, *arguments.held_out, *([arguments.words] if arguments.words else [])]:
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
    if not arguments.out.name.endswith((".arpa", ".arpa.gz", ".npz")):
        raise UsageError(f"--out {arguments.out} must end in .arpa, .arpa.gz or .npz")
