"""Which clips of the data can be trained on, and why the others cannot. No torch."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.config import ConfigError, RunConfig
from engine.data.audio import SAMPLE_RATE
from engine.data.formats.shar import ShardStream
from engine.data.manifest import Clip, DataError
from engine.data.parts import Stretch
from engine.data.sources import DataSource, read_source
from engine.data.transcripts import TranscriptRule
from engine.text.vocabulary import Vocabulary, VocabularyError


@dataclass
class Selection:
    """Usable clips, a list for each source, and one sentence about those left out (empty when there are none).

    A source of shards has an empty list in `groups`, and its place in `streams`.
    """

    groups: list[list[Clip]]
    warning: str = ""
    streams: dict[int, ShardStream] = field(default_factory=dict)

    @property
    def clips(self) -> int:
        """How many."""
        return sum(map(len, self.groups)) + sum(stream.clips for stream in self.streams.values())

    @property
    def seconds(self) -> float:
        """How long in all."""
        listed = sum(clip.duration_s for group in self.groups for clip in group)
        return listed + sum(stream.seconds for stream in self.streams.values())

    def of_epoch(self, epoch: int) -> list[list[Clip]]:
        """The clips of an epoch, a list for each source: all that are listed, and the shards whose turn it is."""
        return [
            self.streams[place].clips_of(epoch) if place in self.streams else group
            for place, group in enumerate(self.groups)
        ]


@dataclass
class _LeftOut:
    """Counts clips by the reason why they are left out, with the first of each as the example."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, clip: Clip, detail: str = "") -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.examples.setdefault(reason, f"{clip.origin}" + (f", {detail}" if detail else ""))

    def sentence(self) -> str:
        if not self.counts:
            return ""
        parts = [f"{count} {reason} (for example {self.examples[reason]})" for reason, count in self.counts.items()]
        return f"{sum(self.counts.values())} clips are left out: " + "; ".join(parts)


def adjacent_repeats(labels: Sequence[int]) -> int:
    """How many labels equal the one before; CTC needs a blank, and so a frame more, at each."""
    return sum(first == second for first, second in itertools.pairwise(labels))


def reason_against(clip: Clip, run: RunConfig, vocabulary: Vocabulary | None, training: bool) -> tuple[str, str]:
    """Why `clip` cannot be used, in words and with a detail; ("", "") where it can. No vocabulary: pre-training.

    Error rates are over all clips that have a known text: their length and letters only matter in training.
    """
    if clip.duration_s <= 0:
        return "that cannot be read as audio", "" if clip.path.exists() else f"there is no file {clip.path}"
    if clip.duration_s < run.data.min_s and (training or vocabulary is None):
        return f"shorter than data.min_s={run.data.min_s:g} s", ""
    if vocabulary is None:
        return "", ""
    if clip.duration_s > run.data.max_s and training:
        return f"longer than data.max_s={run.data.max_s:g} s", ""
    if not clip.transcript:
        return "without a transcript", ""
    try:
        labels = vocabulary.encode(clip.transcript)
    except VocabularyError as error:
        return "with symbols outside the vocabulary", str(error)
    samples = int(clip.duration_s * SAMPLE_RATE / (1 + run.data.speed))
    frames = run.model.frame_count(samples)
    if training and frames < len(labels) + adjacent_repeats(labels):
        return "with more letters than frames", f"{frames} frames for {clip.transcript!r}"
    return "", ""


def wants_rule(source: DataSource, run: RunConfig) -> bool:
    """Whether the transcripts of a source are brought into the vocabulary's letters (data.normalize)."""
    return run.data.normalize == "always" or (run.data.normalize == "auto" and not source.verbatim)


class _Choice:
    """What is used of each source, with a count of what is not."""

    def __init__(self, run: RunConfig, vocabulary: Vocabulary | None, training: bool) -> None:
        self.run, self.vocabulary, self.training = run, vocabulary, training
        self.left_out = _LeftOut()
        exclude = run.data.exclude if training else None
        try:
            self._exclude = re.compile(exclude) if exclude else None
        except re.error as error:
            raise ConfigError(f"data.exclude={exclude!r} is not a regular expression: {error}") from error
        self._rule = TranscriptRule(vocabulary) if vocabulary is not None else None

    def of(self, clip: Clip, rule: bool, count: bool = True) -> Clip | None:
        """The clip as it is used; None where it is left out."""
        if self._exclude is not None and self._exclude.search(clip.path.as_posix()):
            return None
        if rule and self._rule is not None:
            clip = replace(clip, transcript=self._rule(clip.transcript))
        reason, detail = reason_against(clip, self.run, self.vocabulary, self.training)
        if reason and count:
            self.left_out.add(reason, clip, detail)
        return None if reason else clip

    def listed(self, source: DataSource) -> list[Clip]:
        """The clips of a source that is read whole. Raises DataError for the first whose file is missing."""
        rule = wants_rule(source, self.run)
        group = []
        for clip in source.all_clips():
            kept = self.of(clip, rule)
            if kept is None:
                continue
            if (clip.part is None or isinstance(clip.part, Stretch)) and not clip.path.is_file():
                raise DataError(f"{clip.origin}: there is no file {clip.path}: correct the manifest, or give --root")
            group.append(kept)
        return group

    def streamed(self, source: DataSource) -> ShardStream:
        """The shards of a source, whose lists are gone through once to count what is in them."""
        assert source.shards is not None
        rule = wants_rule(source, self.run)
        data = self.run.data
        stream = ShardStream(
            source.shards, data.shards_per_epoch, self.run.loop.seed, lambda clip: self.of(clip, rule, count=False)
        )
        for clip in source.all_clips():
            if self.of(clip, rule) is not None:
                stream.clips += 1
                stream.seconds += clip.duration_s
        return stream


def select_clips(
    manifests: Sequence[str], run: RunConfig, vocabulary: Vocabulary | None, training: bool = True
) -> Selection:
    """Read the data and keep what can be used; `data.exclude` holds for training only.

    Shards are streamed in training, and listed for an evaluation, which goes through all of them each time. Raises
    DataError where nothing is left, and for the first clip whose file is missing.
    """
    choice = _Choice(run, vocabulary, training)
    root = Path(run.data.root) if run.data.root else None
    groups: list[list[Clip]] = []
    streams: dict[int, ShardStream] = {}
    for place, manifest in enumerate(manifests):
        source = read_source(Path(manifest), root)
        if source.shards is not None and training:
            streams[place] = choice.streamed(source)
            groups.append([])
        else:
            groups.append(choice.listed(source))
    selection = Selection(groups, choice.left_out.sentence(), streams)
    if not selection.clips:
        because = selection.warning or f"data.exclude={run.data.exclude!r} matches every path"
        raise DataError(f"no clip of {', '.join(manifests)} can be used: {because}")
    return selection
