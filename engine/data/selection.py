"""Which clips of the manifests can be trained on, and why the others cannot. No torch."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import ConfigError, RunConfig
from engine.data.audio import SAMPLE_RATE
from engine.data.manifest import Clip, DataError, read_manifest
from engine.text.vocabulary import Vocabulary, VocabularyError


@dataclass
class Selection:
    """Usable clips, a list for each manifest, and one sentence about those left out (empty when there are none)."""

    groups: list[list[Clip]]
    warning: str = ""

    @property
    def clips(self) -> int:
        """How many."""
        return sum(map(len, self.groups))

    @property
    def seconds(self) -> float:
        """How long in all."""
        return sum(clip.duration_s for group in self.groups for clip in group)


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


def select_clips(
    manifests: Sequence[str], run: RunConfig, vocabulary: Vocabulary | None, training: bool = True
) -> Selection:
    """Read `manifests` and keep what can be used; `data.exclude` holds for training only.

    Raises DataError where nothing is left, and for the first clip whose file is missing.
    """
    exclude = run.data.exclude if training else None
    try:
        pattern = re.compile(exclude) if exclude else None
    except re.error as error:
        raise ConfigError(f"data.exclude={exclude!r} is not a regular expression: {error}") from error
    root = Path(run.data.root) if run.data.root else None
    left_out = _LeftOut()
    groups = []
    for manifest in manifests:
        group = []
        for clip in read_manifest(Path(manifest), root):
            if pattern is not None and pattern.search(clip.path.as_posix()):
                continue
            reason, detail = reason_against(clip, run, vocabulary, training)
            if reason:
                left_out.add(reason, clip, detail)
            elif not clip.path.is_file():
                raise DataError(f"{clip.origin}: there is no file {clip.path}: correct the manifest, or give --root")
            else:
                group.append(clip)
        groups.append(group)
    selection = Selection(groups, left_out.sentence())
    if not selection.clips:
        because = selection.warning or f"data.exclude={exclude!r} matches every path"
        raise DataError(f"no clip of {', '.join(manifests)} can be used: {because}")
    return selection
