"""How the model's capital letters are shown."""

from __future__ import annotations

import re


def in_case(text: str, case: str) -> str:
    """`text` with letters as `case` says: sentence (first letter and the pronoun I large), lower, or as is."""
    if case == "as is":
        return text
    lowered = text.lower()
    if case == "lower" or not lowered:
        return lowered
    lowered = re.sub(r"\bi\b", "I", lowered)
    return lowered[0].upper() + lowered[1:]


def word_in_case(word: str, case: str, *, is_first: bool) -> str:
    """One word of a text, as `in_case` would show it there."""
    shown = in_case(word, case)
    if case == "sentence" and not is_first and not re.match(r"I\b", shown):
        return shown[0].lower() + shown[1:] if shown else shown
    return shown
