"""How many words of a text are no longer there in the next one."""

from __future__ import annotations


def replaced_words(before: list[str], after: list[str]) -> int:
    """Words of `before` that are not there any more in `after`, which may go on behind them: the least edits that
    make `before` a beginning of `after`.
    """
    row = list(range(len(after) + 1))
    for place, word in enumerate(before, 1):
        new = [place]
        for other, candidate in enumerate(after, 1):
            new.append(min(row[other] + 1, new[other - 1] + 1, row[other - 1] + (word != candidate)))
        row = new
    return min(row)
