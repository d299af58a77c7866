"""What the audit knows of each clip: its split, what its table says, what was heard, what training would do with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import RunConfig
from engine.data.audit.listening import ClipFacts, listen_to_all
from engine.data.durations import Report
from engine.data.manifest import Clip
from engine.data.selection import reason_against, wants_rule
from engine.data.sources import read_source
from engine.data.transcripts import TranscriptRule
from engine.text.vocabulary import Vocabulary

TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)


@dataclass(slots=True)
class Entry:
    """A clip of a split. `written` is its transcript as the data has it, `clip.transcript` as it is trained on.

    `reason` says why training leaves it out, with a `detail`; both are empty where it is used.
    """

    split: str
    format: str
    clip: Clip
    written: str
    facts: ClipFacts
    reason: str = ""
    detail: str = ""

    @property
    def duration_s(self) -> float:
        """Seconds as heard; as told where nothing was heard."""
        return self.facts.duration_s or self.clip.duration_s


def _clips(paths: Sequence[Path], run: RunConfig, rule: TranscriptRule | None) -> Iterator[tuple[str, str, Clip]]:
    root = Path(run.data.root) if run.data.root else None
    for path in paths:
        # Lengths that no table tells are heard in a moment: nothing is opened for them here.
        source = read_source(path, root, open_limit=0)
        used = rule if rule is not None and wants_rule(source, run) else None
        for clip in source.all_clips():
            text = used(clip.transcript) if used is not None else clip.transcript
            yield source.format, clip.transcript, replace(clip, transcript=text)


def read_entries(
    data: dict[str, Sequence[Path]], run: RunConfig, vocabulary: Vocabulary | None, report: Report, workers: int = 0
) -> list[Entry]:
    """Every clip of the splits, heard. Raises DataError for data that cannot be read as a list of clips."""
    rule = TranscriptRule(vocabulary) if vocabulary is not None else None
    rows = [(split, *row) for split in SPLITS for row in _clips(data.get(split, ()), run, rule)]
    facts = listen_to_all([clip for *_, clip in rows], report, workers)
    return [
        _judged(Entry(split, kind, clip, written, heard), run, vocabulary)
        for (split, kind, written, clip), heard in zip(rows, facts, strict=True)
    ]


def _judged(entry: Entry, run: RunConfig, vocabulary: Vocabulary | None) -> Entry:
    """Training goes by the length that the data tells, and by the real one where it tells none."""
    clip = entry.clip if entry.clip.duration_s > 0 else replace(entry.clip, duration_s=entry.facts.duration_s)
    entry.reason, entry.detail = (
        ("unreadable", entry.facts.error)
        if entry.facts.error
        else reason_against(clip, run, vocabulary, training=entry.split == TRAIN)
    )
    return entry


def of_split(entries: Iterable[Entry], split: str) -> list[Entry]:
    """Those of one split."""
    return [entry for entry in entries if entry.split == split]
