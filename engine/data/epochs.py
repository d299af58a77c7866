"""From what was selected to the batches of any epoch: the same list for a seed and an epoch, anywhere. No torch.

Processes that share a run each plan all of it, and take their own part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.config import ConfigError, RunConfig
from engine.data.examples import EVALUATION, PLAN, Example, generator, plan_batches, plan_examples
from engine.data.length_buckets import choose_lengths, plan_fixed_batches
from engine.data.lhotse_batches import plan_lhotse_batches
from engine.data.selection import Selection

EVALUATION_EPOCH = 0


def crop_s(run: RunConfig) -> float:
    """The longest row: pre-training crops, fine-tuning needs all that its transcript says."""
    return run.data.crop_s if run.task == "pretrain" else float("inf")


class EpochPlan:
    """A call gives the batches of an epoch of training."""

    def __init__(self, run: RunConfig, selection: Selection) -> None:
        self.run, self.selection = run, selection
        self._lengths: tuple[float, ...] | None = None

    def __call__(self, epoch: int) -> list[list[Example]]:
        """The batches, in the order in which they are computed. Raises ConfigError, DataError."""
        run = self.run
        examples = self._examples(epoch)
        if not examples:
            raise ConfigError(f"data.weights={list(run.data.weights)} leaves no clip in epoch {epoch}: raise them")
        rng = generator(run.loop.seed, PLAN, epoch, 1)
        if run.data.length_buckets:
            return _fixed(run, examples, rng, self.lengths)
        if run.data.bucketing == "lhotse":
            return plan_lhotse_batches(examples, run.loop.batch_s, run.loop.seed, epoch, crop_s(run))
        return plan_batches(examples, run.loop.batch_s, rng, crop_s(run))

    @property
    def lengths(self) -> tuple[float, ...]:
        """The fixed lengths of data.length_buckets, seconds; a number of them is chosen from the first epoch's rows."""
        if self._lengths is None:
            self._lengths = _lengths(self.run, self._examples(0))
        return self._lengths

    def _examples(self, epoch: int) -> list[Example]:
        run = self.run
        return plan_examples(self.selection.of_epoch(epoch), run.data, run.loop.seed, epoch, run.data.weights)


def evaluation_plan(run: RunConfig, selection: Selection) -> list[list[Example]]:
    """The batches of every evaluation: each clip once, as it is.

    Group-norm models see one clip at a time in fine-tuning, as padding changes what they hear (section 7).
    """
    plain = replace(run.data, join=0.0, speed=0.0)
    examples = plan_examples(selection.of_epoch(EVALUATION_EPOCH), plain, run.loop.seed, EVALUATION_EPOCH)
    if run.task == "finetune" and run.model.feature_norm == "group":
        return [[example] for example in examples]
    rng = generator(run.loop.seed, EVALUATION)
    if run.data.length_buckets:
        return _fixed(run, examples, rng, _lengths(run, examples))
    return plan_batches(examples, run.loop.batch_s, rng, crop_s(run))


def _lengths(run: RunConfig, examples: Sequence[Example]) -> tuple[float, ...]:
    given = run.data.length_buckets
    if len(given) > 1:
        return tuple(sorted(given))
    longest = crop_s(run)
    durations = [min(example.duration_s, longest) for example in examples]
    if run.task == "finetune" and run.data.speed > 0:  # the slowest that any later epoch may play the longest clip
        durations.append(max(example.duration_s * example.speed for example in examples) / (1 - run.data.speed))
    return choose_lengths(durations, int(given[0]), crop=run.task == "pretrain")


def _fixed(
    run: RunConfig, examples: Sequence[Example], rng: np.random.Generator, lengths: Sequence[float]
) -> list[list[Example]]:
    batches, outside = plan_fixed_batches(examples, run.loop.batch_s, rng, lengths, crop_s(run))
    return batches + (plan_batches(outside, run.loop.batch_s, rng, crop_s(run)) if outside else [])
