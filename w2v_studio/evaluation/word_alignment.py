"""Which words of two texts belong together: the fewest substitutions, insertions and deletions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Prefix = Literal["", "shortest", "longest"]
Pair = tuple[int | None, int | None]
"""(place in the reference, place in the hypothesis); None on one side for a deletion or an insertion."""


def align(reference: Sequence[str], hypothesis: Sequence[str], prefix: Prefix = "") -> list[Pair]:
    """Pairs in order. With `prefix`, against the beginning of the reference that fits the hypothesis best, the shortest

    or longest of equally good ones: a text that is still being spoken lacks the rest without fault.
    """
    costs = [list(range(len(hypothesis) + 1))]
    for place, wanted in enumerate(reference, 1):
        above, row = costs[-1], [place]
        for column, found in enumerate(hypothesis, 1):
            row.append(min(above[column] + 1, row[column - 1] + 1, above[column - 1] + (wanted != found)))
        costs.append(row)
    place, column = len(reference), len(hypothesis)
    if prefix:
        ends = range(len(costs)) if prefix == "shortest" else range(len(reference), -1, -1)
        place = min(ends, key=lambda end: costs[end][-1])
    pairs: list[Pair] = []
    while place or column:
        cost = costs[place][column]
        if place and column and cost == costs[place - 1][column - 1] + (reference[place - 1] != hypothesis[column - 1]):
            place, column = place - 1, column - 1
            pairs.append((place, column))
        elif place and cost == costs[place - 1][column] + 1:
            place -= 1
            pairs.append((place, None))
        else:
            column -= 1
            pairs.append((None, column))
    return pairs[::-1]


def matches(reference: Sequence[str], hypothesis: Sequence[str]) -> list[int]:
    """Places in the reference whose words an unfinished hypothesis has right."""
    return [
        place
        for place, column in align(reference, hypothesis, "shortest")
        if place is not None and column is not None and reference[place] == hypothesis[column]
    ]


def revised(before: Sequence[str], after: Sequence[str]) -> int:
    """How many of the words before are not there any more, or are others; added words revise nothing."""
    return sum(
        place is not None and (column is None or after[column] != before[place])
        for column, place in align(after, before, "longest")
    )
