"""The audit of a data set before training: everything heard once, all findings, and the sums of each split."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.data.audio import read_audio
from engine.data.audit import findings as rules
from engine.data.audit.duplicates import same_recordings
from engine.data.audit.entries import SPLITS, TRAIN, Entry, of_split, read_entries
from engine.data.audit.findings import SILENT_DBFS, Finding
from engine.data.audit.shared import duplicate_findings, speaker_findings
from engine.data.durations import Report, no_report
from engine.data.transcripts import TranscriptRule
from engine.text.vocabulary import Vocabulary

AUDIT_VERSION = 1
ORDER = {"stop": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class SplitSums:
    """A split in numbers. `usable` counts what training, or the evaluation, would take; lengths in seconds."""

    name: str
    sources: list[str]
    formats: list[str]
    clips: int
    seconds: float
    usable_clips: int
    usable_seconds: float
    transcribed: int
    speakers: int
    shortest_s: float
    median_s: float
    longest_s: float


@dataclass
class Audit:
    """What `w2v-engine check` found. `characters`: those outside the vocabulary, how often, and where first."""

    task: str
    preset: str
    splits: list[SplitSums]
    findings: list[Finding]
    characters: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def stops(self) -> bool:
        """Whether there is something that should be put right before training."""
        return any(found.severity == "stop" for found in self.findings)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            "version": AUDIT_VERSION,
            "ok": not self.stops,
            "task": self.task,
            "preset": self.preset,
            "splits": [asdict(split) for split in self.splits],
            "findings": [asdict(found) for found in self.findings],
            "characters": [
                {"character": character, "count": count, "first": origin}
                for character, (count, origin) in self.characters.items()
            ],
        }


def _sums(split: str, entries: Sequence[Entry], paths: Sequence[Path]) -> SplitSums:
    lengths = [entry.duration_s for entry in entries]
    usable = [entry for entry in entries if not entry.reason]
    return SplitSums(
        name=split,
        sources=[str(path) for path in paths],
        formats=sorted({entry.format for entry in entries}),
        clips=len(entries),
        seconds=sum(lengths),
        usable_clips=len(usable),
        usable_seconds=sum(entry.duration_s for entry in usable),
        transcribed=sum(bool(entry.clip.transcript) for entry in entries),
        speakers=len({entry.clip.speaker for entry in entries} - {"unknown"}),
        shortest_s=min(lengths),
        median_s=statistics.median(lengths),
        longest_s=max(lengths),
    )


def _groups(entries: Sequence[Entry], report: Report, workers: int) -> list[list[int]]:
    """Places of equal recordings; silence is equal to silence and tells nothing."""

    def counts(entry: Entry) -> bool:
        return not entry.facts.error and entry.facts.level_dbfs >= SILENT_DBFS

    return same_recordings(
        [entry.facts.digest if counts(entry) else b"" for entry in entries],
        [entry.facts.signature if counts(entry) else None for entry in entries],
        [entry.facts.duration_s for entry in entries],
        lambda place: read_audio(entries[place].clip.path, entries[place].clip.part),
        report,
        workers,
    )


def audit(
    data: dict[str, Sequence[Path]],
    run: RunConfig,
    vocabulary: Vocabulary | None,
    *,
    report: Report = no_report,
    workers: int = 0,
    shown: int = 3,
) -> Audit:
    """Hear all clips of the splits (train, valid, test) and judge them for `run`; no vocabulary: pre-training.

    `shown` cases are kept of each finding. Raises DataError for data that names no clips.
    """
    entries = read_entries(data, run, vocabulary, report, workers)
    found: list[Finding] = []
    splits = []
    for split in SPLITS:
        members = of_split(entries, split)
        if not members:
            continue
        splits.append(_sums(split, members, data[split]))
        found += rules.sound_findings(members, shown)
        found += rules.length_findings(members, run, shown)
        if vocabulary is not None:
            found += rules.text_findings(members, run, vocabulary, shown)
        if not splits[-1].usable_clips:
            found.append(_nothing_left(splits[-1]))
    found += speaker_findings(entries, shown)
    found += duplicate_findings(entries, _groups(entries, report, workers), shown)
    found.sort(key=lambda one: (ORDER[one.severity], SPLITS.index(one.split)))
    unknown = {} if vocabulary is None else rules.unknown_characters(entries, TranscriptRule(vocabulary))
    return Audit(run.task, run.name, splits, found, unknown)


def _nothing_left(split: SplitSums) -> Finding:
    doing = "train on" if split.name == TRAIN else "evaluate with"
    return Finding(
        "nothing_usable",
        "stop",
        split.name,
        split.clips,
        split.seconds,
        f"none can be used: there is nothing to {doing}",
        "deal with the other findings of this split",
    )
