"""What clips have in common that they should not: a speaker in two splits, a recording that is there twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.data.audit.entries import SPLITS, Entry, of_split
from engine.data.audit.findings import Finding, finding


def speaker_findings(entries: Sequence[Entry], shown: int) -> Iterable[Finding]:
    """Speakers that are in two splits: an evaluation with them tells nothing about new voices."""
    by_split = {split: _by_speaker(of_split(entries, split)) for split in SPLITS}
    for place, later in enumerate(SPLITS):
        for earlier in SPLITS[:place]:
            shared = sorted(set(by_split[later]) & set(by_split[earlier]))
            clips = [entry for speaker in shared for entry in by_split[later][speaker]]
            yield from finding(
                "shared_speakers",
                "warning",
                clips,
                f"of speakers who are in {earlier} too ({len(shared)}): {', '.join(shared[:5])}"
                + (f" and {len(shared) - 5} more" if len(shared) > 5 else ""),
                "move all clips of a speaker into one split; or say with the score that it is of known voices",
                lambda entry: entry.clip.speaker,
                shown=shown,
            )


def _by_speaker(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.clip.speaker != "unknown":
            found.setdefault(entry.clip.speaker, []).append(entry)
    return found


def duplicate_findings(entries: Sequence[Entry], groups: Sequence[Sequence[int]], shown: int) -> Iterable[Finding]:
    """Recordings that are there more than once (places in `entries`): in one split, or worse, in two."""
    twins: dict[int, Entry] = {}
    leaked: dict[str, list[Entry]] = {}
    repeated: dict[str, list[Entry]] = {}
    for group in groups:
        first = entries[group[0]]  # of the earliest split
        for place in group[1:]:
            entry = entries[place]
            twins[id(entry)] = first
            (repeated if entry.split == first.split else leaked).setdefault(entry.split, []).append(entry)

    def twin(entry: Entry) -> str:
        other = twins[id(entry)]
        same = "equal samples" if entry.facts.digest == other.facts.digest else "another encoding"
        texts = "" if entry.clip.transcript == other.clip.transcript else ", with another transcript"
        return f"is {other.clip.origin} ({same}{texts})"

    for found in leaked.values():
        yield from finding(
            "leaked",
            "stop",
            found,
            "in an earlier split too: the evaluation measures what was learned by heart",
            "remove them from one of the splits",
            twin,
            shown=shown,
        )
    for found in repeated.values():
        yield from finding(
            "duplicate",
            "warning",
            found,
            "there a second time in the split",
            "remove them, unless they are meant to count more",
            twin,
            shown=shown,
        )
