"""`w2v-engine adapt-lm`: a bundle's language model, taught somebody's texts. No torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.commands.usage import UsageError


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "adapt-lm",
        help="teach a bundle's language model your texts",
        description="Teach the language model of a bundle that finds words by phones the words and turns of phrase of "
        "your texts: notes, letters, names. Writes lm.npz and lexicon.txt.gz, which has the new words too; with the "
        "bundle itself as --out it uses them from then on. Fine-tuning does the same with its transcripts. Texts are "
        "UTF-8 (.txt, .gz, .xz), or manifests (.tsv), whose transcripts count; sentences that it was taught before "
        "count once.",
    )
    command.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder of a bundle")
    command.add_argument("texts", nargs="+", type=Path, metavar="TEXT")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write both files")
    command.add_argument("--language", default="en", help="en spells numbers in words (default en)")
    command.set_defaults(run=adapt)


def adapt(arguments: argparse.Namespace) -> int:
    """Read, teach, write; the exit status. Raises UsageError, VocabularyError."""
    from engine.text.ngram.adaptation import adapted, sentence_mark
    from engine.text.ngram.corpus import SPECIAL_WORDS, Normalizer, TextError, read_lines
    from engine.text.ngram.packed import PACKED_MODEL_FILE, PackedModelError, read_marks, read_packed, write_packed
    from engine.text.pronunciation import LEXICON_FILES, LexiconError, Pronunciations, lexicon_file
    from engine.text.vocabulary import Vocabulary

    bundle: Path = arguments.bundle
    model, lexicon = bundle / PACKED_MODEL_FILE, lexicon_file(bundle)
    if lexicon is None or not model.is_file():
        raise UsageError(
            f"{bundle} has no {PACKED_MODEL_FILE} and {LEXICON_FILES[0]}: give the folder of a bundle that finds words "
            "by phones, such as small-en"
        )
    for path in arguments.texts:
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
    normalizer = Normalizer(Vocabulary.load(bundle / "vocab.json"), arguments.language)
    try:
        marks = read_marks(model)
        said = [words for path in arguments.texts for line in read_lines(path) for words in normalizer.sentences(line)]
        new = [sentence for sentence in said if sentence_mark(sentence) not in marks]
        if not new:
            raise UsageError("the language model was taught all of these sentences before: there is nothing to do")
        words, levels = read_packed(model)
        pronunciations = Pronunciations(lexicon)
        spoken = {word for sentence in new for word in sentence} - {*SPECIAL_WORDS}
        added = pronunciations.learn(spoken)
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_packed(
            arguments.out / PACKED_MODEL_FILE, adapted(words, levels, new), marks.union(map(sentence_mark, new))
        )
        pronunciations.save(arguments.out / LEXICON_FILES[0])
    except (TextError, PackedModelError, LexiconError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}; choose another place") from error
    some = ": " + ", ".join(added[:5]) + (", ..." if len(added) > 5 else "") if added else ""
    print(
        f"{arguments.out}: {sum(map(len, new)):,} words in {len(new):,} sentences, {len(added):,} of them new{some}",
        file=sys.stderr,
    )
    return 0
