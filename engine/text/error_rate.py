"""Word and character error rates: edit operations over reference units, summed over a set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def edit_distance(reference: Sequence[object], hypothesis: Sequence[object]) -> int:
    """Least substitutions, insertions and deletions that turn one sequence into the other (Levenshtein)."""
    row = list(range(len(hypothesis) + 1))
    for place, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], place
        for column, found in enumerate(hypothesis, 1):
            substitution = diagonal + (wanted != found)
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, substitution)
    return row[-1]


@dataclass(frozen=True)
class ErrorRates:
    """Shares of wrong words and characters; above 1 where insertions abound. `words` counts reference words."""

    wer: float
    cer: float
    words: int
    characters: int


def error_rates(pairs: Iterable[tuple[str, str]]) -> ErrorRates:
    """Rates over (reference, hypothesis) pairs. Characters include the spaces between words."""
    word_errors = words = character_errors = characters = 0
    for reference, hypothesis in pairs:
        wanted, found = reference.split(), hypothesis.split()
        word_errors += edit_distance(wanted, found)
        words += len(wanted)
        character_errors += edit_distance(" ".join(wanted), " ".join(found))
        characters += len(" ".join(wanted))
    return ErrorRates(word_errors / max(words, 1), character_errors / max(characters, 1), words, characters)
