"""An epoch, planned: which clips are joined, played how fast, and put into which batch. Nothing is read yet. No torch.

All chance comes from generators keyed by (seed, epoch, place), so a resumed run goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.config import DataConfig
from engine.data.manifest import Clip

GAP_S = (0.1, 0.5)
"""Shortest and longest pause put between joined clips, seconds."""
LENGTH_JITTER = 0.05
"""Lengths that differ by no more than about this share count as equal when rows are put together."""
PLAN, EXAMPLE, BATCH, EVALUATION = range(4)
"""What a generator is for; part of its key."""


def generator(seed: int, use: int, *place: int) -> np.random.Generator:
    """The generator of one use at one place."""
    return np.random.default_rng([seed, use, *place])


@dataclass(frozen=True)
class Example:
    """One row of a batch: clips with pauses before, between and after them (none: one clip as it is).

    `bucket_s` is the fixed length that its batch is to have, where there are such.
    """

    clips: tuple[Clip, ...]
    index: int
    pauses_s: tuple[float, ...] = ()
    speed: float = 1.0
    bucket_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Expected length, seconds."""
        return (sum(clip.duration_s for clip in self.clips) + sum(self.pauses_s)) / self.speed

    @property
    def transcript(self) -> str:
        """What is said in it."""
        return " ".join(clip.transcript for clip in self.clips if clip.transcript)

    @property
    def origin(self) -> str:
        """Where it comes from, for messages."""
        return " + ".join(clip.origin for clip in self.clips)


def _passes(group: Sequence[Clip], weight: float, rng: np.random.Generator) -> list[Clip]:
    """`weight` passes over the group: whole ones, and a random part for the rest."""
    whole = int(weight)
    rest = round((weight - whole) * len(group))
    return [*group] * whole + [group[place] for place in sorted(rng.permutation(len(group))[:rest])]


def _join(
    first: Clip, group: Sequence[Clip], data: DataConfig, rng: np.random.Generator
) -> tuple[tuple[Clip, ...], tuple[float, ...]]:
    """`first` with clips of its manifest after it, up to a random length of at most data.join_s."""
    target_s = rng.uniform(first.duration_s, data.join_s)
    clips, pauses = [first], [float(rng.uniform(*GAP_S))]
    total_s = first.duration_s + pauses[0] + GAP_S[1]
    for place in rng.integers(len(group), size=64):
        clip, pause = group[place], float(rng.uniform(*GAP_S))
        if total_s + pause + clip.duration_s > target_s:
            break
        clips.append(clip)
        pauses.append(pause)
        total_s += pause + clip.duration_s
    return tuple(clips), (*pauses, float(rng.uniform(*GAP_S)))


def plan_examples(
    groups: Sequence[Sequence[Clip]], data: DataConfig, seed: int, epoch: int, weights: Sequence[float] = ()
) -> list[Example]:
    """All examples of an epoch, in the order of the manifests."""
    rng = generator(seed, PLAN, epoch)
    examples: list[Example] = []
    for place, group in enumerate(groups):
        for clip in _passes(group, weights[place] if weights else 1.0, rng):
            clips: tuple[Clip, ...] = (clip,)
            pauses: tuple[float, ...] = ()
            if data.join > 0 and clip.duration_s < data.join_s and rng.random() < data.join:
                clips, pauses = _join(clip, group, data, rng)
            speed = float(rng.uniform(1 - data.speed, 1 + data.speed)) if data.speed > 0 else 1.0
            examples.append(Example(clips, len(examples), pauses, speed))
    return examples


def plan_batches(
    examples: Sequence[Example], limit_s: float, rng: np.random.Generator, crop_s: float = float("inf")
) -> list[list[Example]]:
    """Rows of almost equal length together, rows x longest within `limit_s`; the batches in random order.

    A single example longer than `limit_s` is a batch of its own.
    """
    lengths = np.minimum([example.duration_s for example in examples], crop_s)
    jittered = lengths * rng.uniform(1 - LENGTH_JITTER, 1 + LENGTH_JITTER, len(examples))
    batches: list[list[Example]] = []
    current: list[Example] = []
    longest = 0.0
    for place in np.argsort(jittered):
        longest = max(longest, float(lengths[place]))
        if current and longest * (len(current) + 1) > limit_s:
            batches.append(current)
            current, longest = [], float(lengths[place])
        current.append(examples[place])
    if current:
        batches.append(current)
    return [batches[place] for place in rng.permutation(len(batches))]
