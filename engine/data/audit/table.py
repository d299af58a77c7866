"""An audit as text for people: the splits, then each finding with its worst cases and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from engine.data.audit.audit import Audit, SplitSums
from engine.data.audit.findings import Finding

SIGNS = {"stop": "STOP", "warning": "warn", "note": "note"}
HEADER = ("split", "clips", "hours", "usable", "hours", "with text", "speakers", "shortest", "median", "longest")
WIDTH = 110


def duration(seconds: float) -> str:
    """`2.35` hours, for a table."""
    return f"{seconds / 3600:.2f}"


def _row(split: SplitSums) -> tuple[str, ...]:
    lengths = (f"{value:.1f} s" for value in (split.shortest_s, split.median_s, split.longest_s))
    return (
        split.name,
        f"{split.clips:,}",
        duration(split.seconds),
        f"{split.usable_clips:,}",
        duration(split.usable_seconds),
        f"{split.transcribed:,}",
        f"{split.speakers:,}" if split.speakers else "unknown",
        *lengths,
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equal width, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _wrapped(text: str, first: str, rest: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _finding(found: Finding) -> list[str]:
    length = f"{found.seconds:.1f} s" if found.seconds < 60 else f"{found.seconds / 60:.1f} min"
    count = f"{found.clips:,} clip{'s' if found.clips != 1 else ''} ({length})"
    lines = [_wrapped(f"{found.split}: {count}: {found.message}", f"{SIGNS[found.severity]}  ", " " * 6)]
    for case in found.cases:
        lines.append(" " * 8 + f"{case.origin}  {case.detail}".rstrip())
    if found.clips > len(found.cases) > 0:
        lines.append(" " * 8 + f"... and {found.clips - len(found.cases):,} more")
    lines.append(_wrapped(found.remedy, " " * 6 + "-> ", " " * 9))
    return lines


def report_text(audit: Audit) -> str:
    """The whole report."""
    formats = "; ".join(f"{split.name}: {', '.join(split.formats)}" for split in audit.splits)
    lines = [f"checked for {audit.task} with {audit.preset or 'these settings'} ({formats})", ""]
    lines += aligned([HEADER, *map(_row, audit.splits)])
    for found in audit.findings:
        lines += ["", *_finding(found)]
    stops = sum(found.severity == "stop" for found in audit.findings)
    warnings = sum(found.severity == "warning" for found in audit.findings)
    lines.append("")
    if stops:
        lines.append(f"{stops} to put right before training, {warnings} to look at")
    else:
        lines.append(f"nothing stops training; {warnings} to look at" if warnings else "nothing to complain of")
    return "\n".join(lines)
