from pathlib import Path

import numpy as np
import pytest

from engine.config import DataConfig
from engine.data.examples import GAP_S, Example, plan_batches, plan_examples
from engine.data.manifest import Clip

WORDS = [Clip(Path(f"{place}.flac"), 0.3 + place / 50, "s", f"W{place}") for place in range(20)]
BOOK = [Clip(Path(f"book{place}.flac"), 4.0 + place, "s", f"B{place}") for place in range(10)]


def test_an_epoch_is_the_same_each_time_and_unlike_the_next() -> None:
    data = DataConfig(join=0.7, speed=0.1)
    first, again, next_epoch, other_seed = (
        plan_examples([WORDS, BOOK], data, seed, epoch) for seed, epoch in ((1, 3), (1, 3), (1, 4), (2, 3))
    )
    assert first == again
    assert first != next_epoch
    assert first != other_seed


def test_weights_are_passes_over_a_manifest() -> None:
    examples = plan_examples([WORDS, BOOK], DataConfig(), 1, 0, (2.25, 0.5))
    counts = [sum(example.clips[0] == clip for example in examples) for clip in (*WORDS, *BOOK)]
    assert sum(counts[:20]) == 45
    assert set(counts[:20]) == {2, 3}
    assert sum(counts[20:]) == 5
    other = plan_examples([WORDS, BOOK], DataConfig(), 1, 1, (2.25, 0.5))
    assert [example.clips for example in examples] != [example.clips for example in other]


def test_joined_clips_keep_order_manifest_and_length() -> None:
    data = DataConfig(join=1.0, join_s=5.0)
    examples = plan_examples([WORDS, BOOK], data, 1, 0)
    words = examples[: len(WORDS)]
    assert {len(example.clips) for example in words} > {1, 2, 3}
    for example in words:
        assert set(example.clips) <= set(WORDS)
        assert example.transcript == " ".join(clip.transcript for clip in example.clips)
        assert len(example.pauses_s) == len(example.clips) + 1
        assert all(GAP_S[0] <= pause <= GAP_S[1] for pause in example.pauses_s)
        assert len(example.clips) == 1 or example.duration_s <= 5.0
    long = [example for example in examples[len(WORDS) :] if example.clips[0].duration_s >= 5.0]
    assert all(example.pauses_s == () for example in long)


def test_speed_shortens_the_expected_length() -> None:
    clip = Clip(Path("a"), 3.0)
    assert Example((clip,), 0, speed=1.5).duration_s == pytest.approx(2.0)
    speeds = [example.speed for example in plan_examples([WORDS * 20], DataConfig(speed=0.1), 1, 0)]
    assert 0.9 <= min(speeds) < 0.91
    assert 1.09 < max(speeds) <= 1.1


def test_batches_hold_each_example_once_within_the_limit() -> None:
    rng = np.random.default_rng(0)
    clips = [Clip(Path(str(place)), float(rng.uniform(1, 20))) for place in range(500)]
    examples = plan_examples([clips], DataConfig(), 1, 0)
    batches = plan_batches(examples, 60.0, np.random.default_rng(1), crop_s=8.0)
    assert sorted(example.index for batch in batches for example in batch) == list(range(500))
    waste = []
    for batch in batches:
        lengths = [min(example.duration_s, 8.0) for example in batch]
        assert len(lengths) * max(lengths) <= 60.0
        waste.append(sum(lengths) - len(lengths) * min(lengths))
    assert sum(waste) < 0.06 * sum(min(clip.duration_s, 8.0) for clip in clips)
    assert batches == plan_batches(examples, 60.0, np.random.default_rng(1), crop_s=8.0)
    assert batches != plan_batches(examples, 60.0, np.random.default_rng(2), crop_s=8.0)
    first_lengths = [batch[0].duration_s for batch in batches]
    assert first_lengths != sorted(first_lengths)


def test_an_example_above_the_limit_is_a_batch_of_its_own() -> None:
    examples = plan_examples([[Clip(Path("a"), 90.0), Clip(Path("b"), 2.0), Clip(Path("c"), 2.0)]], DataConfig(), 1, 0)
    batches = plan_batches(examples, 10.0, np.random.default_rng(0))
    assert sorted(map(len, batches)) == [1, 2]
