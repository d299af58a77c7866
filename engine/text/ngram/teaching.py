"""A bundle's language model and lexicon, taught somebody's texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.text.ngram.adaptation import Sentence, adapted, sentence_mark
from engine.text.ngram.corpus import SPECIAL_WORDS, Normalizer, TextError, read_lines
from engine.text.ngram.packed import PACKED_MODEL_FILE, PackedModelError, read_marks, read_packed, write_packed
from engine.text.pronunciation import LEXICON_FILES, LexiconError, Pronunciations, lexicon_file
from engine.text.vocabulary import Vocabulary, VocabularyError

VOCABULARY_FILE = "vocab.json"


class TeachingError(ValueError):
    """A bundle or texts with which it cannot be done. The message says what to do."""


@dataclass(frozen=True)
class Lesson:
    """How many `words` in `sentences` were taught, and which words neither model nor lexicon had before."""

    words: int
    sentences: int
    new: tuple[str, ...]

    def __str__(self) -> str:
        some = ": " + ", ".join(self.new[:5]) + (", ..." if len(self.new) > 5 else "") if self.new else ""
        sentences = "1 sentence" if self.sentences == 1 else f"{self.sentences:,} sentences"
        return f"{self.words:,} words in {sentences}, {len(self.new):,} of them new{some}"


def can_be_taught(bundle: Path) -> bool:
    """Whether a bundle finds words by phones with a language model of build-lm's."""
    return (bundle / PACKED_MODEL_FILE).is_file() and lexicon_file(bundle) is not None


def new_sentences(model: Path, said: Iterable[Sentence]) -> list[Sentence]:
    """Those that the model of a .npz file was not taught before. Raises PackedModelError, OSError."""
    marks = read_marks(model)
    return [sentence for sentence in said if sentence and sentence_mark(sentence) not in marks]


def adapt_file(model: Path, sentences: Sequence[Sentence], out: Path) -> None:
    """Write the model of a .npz file as it is after `sentences`, and marked so. Raises PackedModelError, OSError."""
    marks = read_marks(model).union(map(sentence_mark, sentences))
    write_packed(out, adapted(*read_packed(model), sentences), marks)


def teach(bundle: Path, texts: Sequence[Path], out: Path, language: str = "en") -> Lesson:
    """Write lm.npz and lexicon.txt.gz into `out`, which may be the bundle itself.

    Texts are UTF-8 (.txt, .gz, .xz), or manifests (.tsv). Sentences that it was taught before count once. Raises
    TeachingError, OSError.
    """
    lexicon = lexicon_file(bundle)
    if lexicon is None or not can_be_taught(bundle):
        raise TeachingError(
            f"{bundle} has no {PACKED_MODEL_FILE} and {LEXICON_FILES[0]}: give the folder of a bundle that finds words "
            "by phones, such as small-en"
        )
    try:
        normalizer = Normalizer(Vocabulary.load(bundle / VOCABULARY_FILE), language)
        said = [words for path in texts for line in read_lines(path) for words in normalizer.sentences(line)]
        new = new_sentences(bundle / PACKED_MODEL_FILE, said)
        if not new:
            raise TeachingError(
                "there is nothing to learn: the texts hold no words, or only sentences that the language model was "
                "taught before"
            )
        pronunciations = Pronunciations(lexicon)
        added = pronunciations.learn({word for sentence in new for word in sentence} - {*SPECIAL_WORDS})
        out.mkdir(parents=True, exist_ok=True)
        # The lexicon first: words that only it has do no harm.
        pronunciations.save(out / LEXICON_FILES[0])
        adapt_file(bundle / PACKED_MODEL_FILE, new, out / PACKED_MODEL_FILE)
    except (TextError, PackedModelError, LexiconError, VocabularyError) as error:
        raise TeachingError(str(error)) from error
    return Lesson(sum(map(len, new)), len(new), tuple(added))
