"""From the words a model recognises to text as one writes it: marks, lines, commands, numbers, capitals.

    I HAVE TWENTY ONE APPLES COMMA SCRATCH THAT YES PERIOD   ->   Yes.

The words themselves stay untouched beside it, so the raw text is always at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.text.ctc import Word
from w2v_studio.text_stage.numbers import find_numbers
from w2v_studio.text_stage.rules import Command, Glue, Mark, TextRules

LetterCase = Literal["sentence", "lower", "as is"]


@dataclass(frozen=True)
class TextOptions:
    """What the stage does. `case`: sentence (capitals by the rules), lower, or as is (the model's own letters)."""

    case: LetterCase = "sentence"
    marks: bool = True
    commands: bool = True
    numbers: bool = True


RAW = TextOptions("as is", marks=False, commands=False, numbers=False)
"""The model's words, unchanged."""


@dataclass(frozen=True)
class Span:
    """A piece of written text and the words it stands for, orders included; `glue` is the side without a space."""

    text: str
    words: tuple[Word, ...]
    glue: Glue = "none"
    ends_sentence: bool = False

    @property
    def confidence(self) -> float:
        """The least confidence of its words."""
        return min((word.confidence for word in self.words), default=1.0)


@dataclass(frozen=True)
class Written:
    """Written text. `scratched` counts stretches of speech before this one that a spoken command takes back."""

    spans: tuple[Span, ...]
    scratched: int = 0

    @property
    def text(self) -> str:
        """The text; empty where a command took everything back."""
        return "".join(gap + span.text for gap, span in self.pieces())

    def pieces(self) -> Iterator[tuple[str, Span]]:
        """Each span with the space before it ("" or " ")."""
        last: Span | None = None
        for span in self.spans:
            clings = last is None or last.glue in ("right", "both") or span.glue in ("left", "both")
            yield "" if clings else " ", span
            last = span

    @property
    def ends_sentence(self) -> bool:
        """Whether what follows starts with a capital letter."""
        return bool(self.spans) and self.spans[-1].ends_sentence


class TextStage:
    """Writes the words of a language by its rules. Has no state: the caller says whether a sentence begins."""

    def __init__(self, rules: TextRules, options: TextOptions | None = None) -> None:
        self.rules = rules
        self.options = options or TextOptions()

    def write(self, words: Sequence[Word], *, at_start: bool = True) -> Written:
        """The text of a stretch of speech; `at_start` says whether a sentence begins with it."""
        spans, scratched = self._carry_out(self._meanings(words))
        return Written(tuple(self._in_case(self._with_numbers(spans), at_start)), scratched)

    def write_text(self, text: str, *, at_start: bool = True) -> Written:
        """The same for raw text without times."""
        return self.write([Word(word, 0.0, 0.0, 1.0) for word in text.split()], at_start=at_start)

    def _meanings(self, words: Sequence[Word]) -> Iterator[tuple[Mark | Command | None, tuple[Word, ...]]]:
        """Words with what they mean, the longest spoken form first; None for words that only mean themselves."""
        place = 0
        while place < len(words):
            meaning, length = self._phrase_at(words, place)
            if isinstance(meaning, Command) and meaning.do == "literal" and place + length < len(words):
                _, literal = self._phrase_at(words, place + length)
                yield None, tuple(words[place : place + length + 1])
                for word in words[place + length + 1 : place + length + literal]:
                    yield None, (word,)
                place += length + literal
                continue
            yield meaning, tuple(words[place : place + length])
            place += length

    def _phrase_at(self, words: Sequence[Word], place: int) -> tuple[Mark | Command | None, int]:
        for length in range(min(self.rules.longest_phrase, len(words) - place), 0, -1):
            phrase = tuple(word.word.casefold() for word in words[place : place + length])
            meaning = self.rules.phrases.get(phrase)
            wanted = self.options.marks if isinstance(meaning, Mark) else self.options.commands
            if meaning is not None and wanted:
                return meaning, length
        return None, 1

    def _carry_out(
        self, meanings: Iterator[tuple[Mark | Command | None, tuple[Word, ...]]]
    ) -> tuple[list[tuple[Span, str]], int]:
        """Spans, each with the order of letters that came before it, and how many earlier stretches are scratched."""
        spans: list[tuple[Span, str]] = []
        scratched, letters = 0, ""
        ordered: tuple[Word, ...] = ()
        for meaning, words in meanings:
            if isinstance(meaning, Command):
                if meaning.do == "scratch":
                    scratched += not spans
                    _drop_last_sentence(spans)
                else:
                    letters, ordered = meaning.do, ordered + words
                continue
            if isinstance(meaning, Mark):
                spans.append((Span(meaning.write, words, meaning.glue, meaning.ends_sentence), ""))
            else:
                spans.append((Span(words[-1].word, ordered + words), letters))
                letters, ordered = "", ()
        return spans, scratched

    def _with_numbers(self, spans: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
        """Number words replaced by digits; marks part numbers."""
        if not self.options.numbers:
            return spans
        result: list[tuple[Span, str]] = []
        run: list[tuple[Span, str]] = []
        for item in [*spans, None]:
            if item is not None and _is_word(item[0]):
                run.append(item)
                continue
            result += self._run_with_numbers(run)
            run = []
            if item is not None:
                result.append(item)
        return result

    def _run_with_numbers(self, run: list[tuple[Span, str]]) -> list[tuple[Span, str]]:
        words = [span.words[-1] for span, _ in run]
        result, place = [], 0
        for number in find_numbers(words, self.rules):
            result += run[place : number.start]
            behind = tuple(word for span, _ in run[number.start : number.end] for word in span.words)
            result.append((Span(number.text, behind), ""))
            place = number.end
        return result + run[place:]

    def _in_case(self, spans: list[tuple[Span, str]], at_start: bool) -> Iterator[Span]:
        """Letters as the options and the spoken orders say."""
        names = self._names_in([span for span, _ in spans])
        for place, (span, letters) in enumerate(spans):
            if not _is_word(span):
                at_start = at_start or span.ends_sentence  # quotes and brackets between change nothing
                yield span
                continue
            yield replace(span, text=self._word_in_case(span.text, letters, at_start, names.get(place)))
            at_start = False

    def _names_in(self, spans: Sequence[Span]) -> dict[int, str]:
        """How words are written that are part of a name, by their place; longer names first."""
        found: dict[int, str] = {}
        said = [span.text.casefold() for span in spans]
        for name, written in sorted(self.rules.names.items(), key=lambda item: -len(item[0])):
            for place in range(len(said) - len(name) + 1):
                places = range(place, place + len(name))
                if tuple(said[place : place + len(name)]) == name and found.keys().isdisjoint(places):
                    found |= dict(zip(places, written, strict=True))
        return found

    def _word_in_case(self, text: str, letters: str, at_start: bool, name: str | None) -> str:
        if letters == "upper":
            return text.upper()
        if self.options.case == "as is":
            return text
        lowered = text.lower()
        if self.options.case == "lower" and letters != "capitalize":
            return lowered
        if name is not None:
            return name  # also where a sentence begins: iPhone
        shown = self.rules.capitals.get(lowered, lowered)
        return shown[0].upper() + shown[1:] if at_start or letters == "capitalize" else shown


def _is_word(span: Span) -> bool:
    """Marks cling to something or end a sentence; words and numbers do neither, and have letters or digits."""
    return any(letter.isalnum() for letter in span.text)


def _drop_last_sentence(spans: list[tuple[Span, str]]) -> None:
    """Remove back to the end of the sentence before."""
    if spans:
        spans.pop()
    while spans and not spans[-1][0].ends_sentence:
        spans.pop()
