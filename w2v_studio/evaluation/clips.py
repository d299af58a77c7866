"""Recordings with what was said in them: the rows of a manifest that have a transcript."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path


class EvaluationError(ValueError):
    """Data that nothing can be measured on. The message says what to do."""


@dataclass(frozen=True)
class Clip:
    """A recording and its reference, words as the model writes them."""

    path: Path
    reference: str


@dataclass(frozen=True)
class Selection:
    """`clips` to measure on; `unlabelled` rows have no transcript."""

    clips: tuple[Clip, ...]
    unlabelled: int


def read_clips(manifest: Path, only: str = "") -> Selection:
    """The rows whose path matches the regular expression `only`. Raises EvaluationError.

    A manifest is a tab-separated table, UTF-8, with columns `path` (relative to its folder) and `transcript`.
    """
    try:
        pattern = re.compile(only)
    except re.error as error:
        raise EvaluationError(f"{only!r} is not a regular expression ({error}): correct --only") from error
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = {"path", "transcript"} - set(rows.fieldnames or ())
            if missing:
                raise EvaluationError(
                    f"{manifest} has no column {' and '.join(sorted(missing))}: a manifest is a tab-separated table "
                    f"with path and transcript"
                )
            chosen = [row for row in rows if row["path"] and pattern.search(row["path"])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(
            f"the manifest {manifest} cannot be read ({error}); give a tab-separated table"
        ) from error
    clips = [
        Clip(manifest.parent / row["path"], " ".join(row["transcript"].split()))
        for row in chosen
        if (row["transcript"] or "").strip()
    ]
    if not clips:
        what = f" whose path matches {only!r}" if only else ""
        raise EvaluationError(f"{manifest} has no row with a transcript{what}: choose another manifest")
    return Selection(tuple(clips), len(chosen) - len(clips))
