"""Batches by lhotse's DynamicBucketingSampler, as an epoch's plan: the same for a seed and an epoch, on any machine."""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.examples import Example, generator

BUCKETS = 30
SHORTEST_S = 1e-3
LHOTSE = 5
"""What a generator is for; beside the uses in engine.data.examples."""


def plan_lhotse_batches(
    examples: Sequence[Example], limit_s: float, seed: int, epoch: int, crop_s: float = float("inf")
) -> list[list[Example]]:
    """Each example once, rows of one of 30 buckets of equal total length together, rows x longest about `limit_s`.

    lhotse gets cuts without audio, of the lengths that the examples will have.
    """
    from lhotse import MonoCut
    from lhotse.dataset import DynamicBucketingSampler

    cuts = [
        MonoCut(id=str(place), start=0, duration=max(SHORTEST_S, min(example.duration_s, crop_s)), channel=0)
        for place, example in enumerate(examples)
    ]
    few = len(cuts) < 2 * BUCKETS  # too few to estimate buckets from: one holds all
    bins = [max(cut.duration for cut in cuts)] if few else None
    sampler = DynamicBucketingSampler(
        cuts,
        max_duration=limit_s,
        num_buckets=BUCKETS,
        duration_bins=bins,
        num_cuts_for_bins_estimate=len(cuts),
        buffer_size=len(cuts),
        shuffle=True,
        sync_buckets=True,  # without, lhotse 1.33 ends when it first picks an empty bucket, and loses clips
        seed=seed * 1_000_003 + epoch,
        world_size=1,
        rank=0,
    )
    batches = [[examples[int(cut.id)] for cut in batch] for batch in sampler]
    # lhotse draws buckets in the same order in every epoch
    return [batches[place] for place in generator(seed, LHOTSE, epoch).permutation(len(batches))]
