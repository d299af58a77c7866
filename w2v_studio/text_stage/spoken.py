"""Back from corrected written text to the words that were spoken: what fine-tuning needs.

Written "21," stands for TWENTY ONE COMMA. What a person left unchanged keeps its spoken words; what a person wrote
anew counts as spoken so; punctuation that a person added was not spoken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.text.ctc import Word
from w2v_studio.text_stage.rules import TextRules
from w2v_studio.text_stage.stage import TextStage

TOKEN = re.compile(r"\d+(?:[.,]\d+)*\w*|\w+(?:['’]\w+)*|[^\w\s]")
APOSTROPHES = str.maketrans("’", "'")


@dataclass
class _Token:
    """A word or mark of written text, and the spoken words behind it (all of a span's on its first token)."""

    text: str
    spoken: list[str]


def spoken_transcript(corrected: str, words: Sequence[Word], rules: TextRules) -> str:
    """Upper-case words as spoken in a stretch that the model heard as `words` and a person corrected.

    Empty where that cannot be known: numbers in digits that the model did not hear, or a stretch in which something
    was said and taken back.
    """
    written = TextStage(rules).write(words)
    if [word for span in written.spans for word in span.words] != list(words):
        return ""
    heard = _tokens_of_spans([(span.text, [word.word for word in span.words]) for span in written.spans])
    typed = TOKEN.findall(corrected.translate(APOSTROPHES))
    matcher = difflib.SequenceMatcher(
        None, [token.text.casefold() for token in heard], [text.casefold() for text in typed], autojunk=False
    )
    spoken: list[str] = []
    for kind, first, last, typed_first, typed_last in matcher.get_opcodes():
        if kind == "equal":
            spoken += [word for token in heard[first:last] for word in token.spoken]
            continue
        for text in typed[typed_first:typed_last]:
            if any(letter.isdigit() for letter in text):
                return ""
            spoken += [text] if any(letter.isalpha() for letter in text) else []
    return " ".join(spoken).upper()


def _tokens_of_spans(spans: list[tuple[str, list[str]]]) -> list[_Token]:
    tokens: list[_Token] = []
    waiting: list[str] = []  # words of line breaks, which have no token of their own
    for text, words in spans:
        parts = TOKEN.findall(text.translate(APOSTROPHES))
        if not parts and tokens:
            tokens[-1].spoken += words
        elif not parts:
            waiting += words
        for place, part in enumerate(parts):
            tokens.append(_Token(part, [*waiting, *words] if place == 0 else []))
            waiting = []
    return tokens
