"""What can be wrong with a data set, each with what it means, the worst cases, and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.config import RunConfig
from engine.data.audio import SAMPLE_RATE
from engine.data.audit.entries import TRAIN, Entry
from engine.data.selection import adjacent_repeats
from engine.data.transcripts import TranscriptRule
from engine.text.vocabulary import Vocabulary, VocabularyError

Severity = Literal["stop", "warning", "note"]

SILENT_DBFS = -55.0
CLIPPED_SHARE = 5e-4
WRONG_LENGTH_S = 0.1
WRONG_LENGTH_SHARE = 0.02
MOST = 0.5
"""Where more than this share of a split is lost to its symbols, the vocabulary is the wrong one."""
CHARACTERS_NAMED = 12
SHOWN_TEXT = 60


@dataclass(frozen=True)
class Case:
    """One clip with the fault: where it is listed, and how bad it is."""

    origin: str
    detail: str = ""


@dataclass
class Finding:
    """A kind of fault in a split. `stop` should stop training until it is dealt with; a `note` needs nothing.

    `cases` are the worst few of `clips`, which are `seconds` of audio.
    """

    code: str
    severity: Severity
    split: str
    clips: int
    seconds: float
    message: str
    remedy: str
    cases: list[Case] = field(default_factory=list)


Worst = Callable[[Entry], float]
Detail = Callable[[Entry], str]


def finding(
    code: str,
    severity: Severity,
    entries: Sequence[Entry],
    message: str,
    remedy: str,
    detail: Detail,
    worst: Worst | None = None,
    shown: int = 3,
) -> Iterable[Finding]:
    """A finding about `entries` of one split, or none where there are no such entries."""
    if not entries:
        return
    ordered = sorted(entries, key=worst, reverse=True) if worst is not None else entries
    yield Finding(
        code,
        severity,
        entries[0].split,
        len(entries),
        sum(entry.duration_s for entry in entries),
        message,
        remedy,
        [Case(entry.clip.origin, detail(entry)) for entry in ordered[:shown]],
    )


def sound_findings(entries: Sequence[Entry], shown: int) -> Iterable[Finding]:
    """What the recordings of a split are like."""
    heard = [entry for entry in entries if not entry.facts.error]
    yield from finding(
        "unreadable",
        "stop",
        [entry for entry in entries if entry.facts.error],
        "cannot be read as audio",
        "correct the paths (or give --root), convert the files to FLAC, WAV or Opus, or remove their lines",
        lambda entry: entry.facts.error,
        shown=shown,
    )
    yield from finding(
        "wrong_length",
        "warning",
        [entry for entry in heard if _length_is_wrong(entry)],
        "longer or shorter than their table says",
        "write the real lengths: batches are planned by them",
        lambda entry: f"{entry.facts.duration_s:.2f} s, not {entry.clip.duration_s:.2f} s",
        lambda entry: abs(entry.facts.duration_s - entry.clip.duration_s),
        shown,
    )
    yield from finding(
        "silent",
        "warning",
        [entry for entry in heard if entry.facts.level_dbfs < SILENT_DBFS],
        f"silent (the loudest moment is below {SILENT_DBFS:.0f} dBFS)",
        "remove them, or record them again",
        lambda entry: f"{entry.facts.level_dbfs:.0f} dBFS",
        lambda entry: -entry.facts.level_dbfs,
        shown,
    )
    yield from finding(
        "clipped",
        "warning",
        [entry for entry in heard if entry.facts.clipped >= CLIPPED_SHARE],
        f"clipped (at least {CLIPPED_SHARE:.2%} of the samples stand at the limit)",
        "record with less gain; a few such clips do no harm",
        lambda entry: f"{entry.facts.clipped:.1%} of its samples",
        lambda entry: entry.facts.clipped,
        shown,
    )
    yield from finding(
        "rate",
        "note",
        [entry for entry in heard if entry.facts.rate != SAMPLE_RATE],
        "not at 16,000 Hz, resampled at each reading",
        "convert them once if reading is slow; below 16,000 Hz the upper band is empty",
        lambda entry: f"{entry.facts.rate} Hz",
        lambda entry: -entry.facts.rate,
        shown,
    )
    yield from finding(
        "stereo",
        "note",
        [entry for entry in heard if entry.facts.channels > 1],
        "several channels, which are averaged",
        "check that they do not hold different speakers; lhotse cuts can name one channel",
        lambda entry: f"{entry.facts.channels} channels",
        lambda entry: entry.facts.channels,
        shown,
    )


def _length_is_wrong(entry: Entry) -> bool:
    told, heard = entry.clip.duration_s, entry.facts.duration_s
    return told > 0 and abs(told - heard) > max(WRONG_LENGTH_S, WRONG_LENGTH_SHARE * heard)


def length_findings(entries: Sequence[Entry], run: RunConfig, shown: int) -> Iterable[Finding]:
    """Clips outside the lengths that the preset uses."""
    data = run.data

    def seconds(entry: Entry) -> str:
        return f"{entry.duration_s:.2f} s"

    yield from finding(
        "short",
        "warning",
        [entry for entry in entries if entry.reason.startswith("shorter")],
        f"shorter than data.min_s={data.min_s:g} s, left out",
        "join them with others, or lower data.min_s",
        seconds,
        lambda entry: -entry.duration_s,
        shown,
    )
    yield from finding(
        "long",
        "warning",
        [entry for entry in entries if entry.reason.startswith("longer")],
        f"longer than data.max_s={data.max_s:g} s, left out",
        "cut them at pauses, or raise data.max_s if memory allows",
        seconds,
        lambda entry: entry.duration_s,
        shown,
    )


def text_findings(entries: Sequence[Entry], run: RunConfig, vocabulary: Vocabulary, shown: int) -> Iterable[Finding]:
    """Transcripts that cannot be learned with this vocabulary."""
    rule = TranscriptRule(vocabulary)
    yield from finding(
        "unlabelled",
        "warning",
        [entry for entry in entries if not entry.clip.transcript and not entry.facts.error],
        "no transcript, left out of fine-tuning",
        "transcribe them, or use them in pre-training",
        lambda entry: f"written as {entry.written!r}" if entry.written else "",
        shown=shown,
    )
    foreign = [entry for entry in entries if rule.unknown(entry.clip.transcript)]
    mostly = len(foreign) > MOST * sum(bool(entry.clip.transcript) for entry in entries)
    yield from finding(
        "symbols",
        "stop" if mostly else "warning",
        foreign,
        "symbols outside the vocabulary, left out: " + _characters(foreign, rule),
        "give the language's own --vocabulary; --make-vocabulary FILE writes one from these transcripts"
        if mostly
        else "write numbers and signs as words, or give the language's own --vocabulary; "
        "data.normalize=always mends case and punctuation in manifests too",
        lambda entry: f"{_some(rule.unknown(entry.clip.transcript))} in {entry.clip.transcript[:SHOWN_TEXT]!r}",
        lambda entry: len(rule.unknown(entry.clip.transcript)),
        shown,
    )
    yield from finding(
        "too_many_letters",
        "warning",
        [entry for entry in entries if not entry.facts.error and _missing_frames(entry, run, vocabulary) > 0],
        "more letters than frames, which CTC cannot align; left out",
        "the transcript is that of more than is heard: correct it, or cut the clip anew",
        lambda entry: (
            f"{entry.duration_s:.2f} s, {_missing_frames(entry, run, vocabulary)} frames too few for "
            f"{entry.clip.transcript[:SHOWN_TEXT]!r}"
        ),
        lambda entry: _missing_frames(entry, run, vocabulary),
        shown,
    )
    yield from finding(
        "normalised",
        "note",
        [entry for entry in entries if entry.written != entry.clip.transcript],
        "transcripts brought into the vocabulary's letters (case, punctuation)",
        "look at the examples; data.normalize=never takes transcripts as they stand",
        lambda entry: f"{entry.written[:SHOWN_TEXT]!r} becomes {entry.clip.transcript[:SHOWN_TEXT]!r}",
        shown=shown,
    )


def _some(characters: Sequence[str]) -> str:
    return repr("".join(dict.fromkeys(characters))[:CHARACTERS_NAMED])


def _characters(entries: Sequence[Entry], rule: TranscriptRule) -> str:
    counts = unknown_characters(entries, rule)
    named = [f"{character!r} {count} times" for character, (count, _) in list(counts.items())[:CHARACTERS_NAMED]]
    rest = len(counts) - len(named)
    return ", ".join(named) + (f" and {rest} others" if rest > 0 else "")


def unknown_characters(entries: Iterable[Entry], rule: TranscriptRule) -> dict[str, tuple[int, str]]:
    """How often each character outside the vocabulary occurs, with the first place; the most frequent first."""
    counts: dict[str, tuple[int, str]] = {}
    for entry in entries:
        for character in rule.unknown(entry.clip.transcript):
            count, origin = counts.get(character, (0, entry.clip.origin))
            counts[character] = (count + 1, origin)
    return dict(sorted(counts.items(), key=lambda item: (-item[1][0], item[0])))


def _missing_frames(entry: Entry, run: RunConfig, vocabulary: Vocabulary) -> int:
    """Labels and repeats that have no frame, at the highest speed that training may play the clip; 0: it fits."""
    try:
        labels = vocabulary.encode(entry.clip.transcript)
    except VocabularyError:
        return 0
    speed = 1 + run.data.speed if entry.split == TRAIN else 1.0
    frames = run.model.frame_count(int(entry.duration_s * SAMPLE_RATE / speed))
    return max(0, len(labels) + adjacent_repeats(labels) - frames)
