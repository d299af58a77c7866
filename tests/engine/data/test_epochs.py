"""Plans of epochs: padding, fixed lengths, lhotse's buckets. Lengths are those of read books and of short answers."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.config import DataConfig, RunConfig
from engine.data.audio import AudioCache
from engine.data.batches import FinetuningCollator, PretrainingCollator
from engine.data.epochs import EpochPlan
from engine.data.examples import Example, plan_examples
from engine.data.length_buckets import bucket_of, choose_lengths
from engine.data.manifest import Clip, read_manifest
from engine.data.selection import Selection
from engine.text.vocabulary import Vocabulary

Build = Callable[..., RunConfig]


@pytest.fixture(scope="module")
def selection() -> Selection:
    """3,000 clips: half with a hump at 12 to 16 s (LibriSpeech), half short (median 4 s)."""
    rng = np.random.default_rng(0)
    books = np.clip(16.5 - rng.gamma(1.6, 2.2, 1500), 1.5, 17.0)
    answers = np.clip(rng.lognormal(np.log(4), 0.35, 1500), 1.0, 17.0)
    clips = [Clip(Path(f"{place}.flac"), float(s), "s", "A") for place, s in enumerate([*books, *answers])]
    return Selection([clips])


def padding(batches: Sequence[Sequence[Example]]) -> float:
    """Share of the batches that is padding."""
    heard = sum(example.duration_s for batch in batches for example in batch)
    made = sum(len(batch) * max(row.bucket_s or row.duration_s for row in batch) for batch in batches)
    return 1 - heard / made


def places(batches: Sequence[Sequence[Example]]) -> list[int]:
    return sorted(example.index for batch in batches for example in batch)


@pytest.mark.parametrize("batch_s", [64, 200])
@pytest.mark.parametrize("bucketing", ["sorted", "lhotse"])
def test_padding_is_at_most_5_percent(bucketing: str, batch_s: int, selection: Selection, small_run: Build) -> None:
    if bucketing == "lhotse":
        pytest.importorskip("lhotse")
    run = small_run("finetune", f"data.bucketing={bucketing}", f"loop.batch_s={batch_s}", "data.speed=0.1")
    plan = EpochPlan(run, selection)
    first, second = plan(0), plan(1)
    assert padding(first) < 0.05
    assert places(first) == places(second) == list(range(3000))
    assert first != second
    assert EpochPlan(run, selection)(1) == second
    # lhotse closes a batch when the next clip would be too much; its buckets are narrow
    room = batch_s if bucketing == "sorted" else 1.25 * batch_s
    assert max(len(batch) * max(row.duration_s for row in batch) for batch in first) <= room


def test_fixed_lengths_hold_every_row_and_waste_little(selection: Selection, small_run: Build) -> None:
    run = small_run("finetune", "data.length_buckets=24", "loop.batch_s=200", "data.speed=0.1")
    plan = EpochPlan(run, selection)
    assert len(plan.lengths) <= 24
    for epoch in (0, 3):
        batches = plan(epoch)
        assert places(batches) == list(range(3000))
        assert {row.bucket_s for batch in batches for row in batch} <= set(plan.lengths)
        for batch in batches:
            assert len({row.bucket_s for row in batch}) == 1
            assert max(row.duration_s for row in batch) <= batch[0].bucket_s
            assert len(batch) * batch[0].bucket_s <= 200
        assert padding(batches) < 0.05
    shapes = {(len(batch), batch[0].bucket_s) for batch in plan(0)}
    assert len(shapes) <= 2 * len(plan.lengths)  # full batches, and a last one for each length


def test_lengths_are_the_best_there_are() -> None:
    """Against trying all sets of lengths."""
    rng = np.random.default_rng(3)
    durations = np.round(rng.uniform(1, 4, 40), 1) - 0.02
    grid = sorted(set(np.round(durations + 0.02, 3)))

    def padded(lengths: Sequence[float]) -> float:
        return sum(min(length for length in lengths if length >= one) - one for one in durations)

    chosen = choose_lengths(durations, 3, crop=False)
    best = min(padded([*some, grid[-1]]) for some in itertools.combinations(grid[:-1], 2))
    assert padded(chosen) == pytest.approx(best)

    def lost(lengths: Sequence[float]) -> float:
        return sum(one - max(length for length in lengths if length <= one) for one in durations)

    lower = sorted(set(np.round(durations - 0.03, 3)))
    chosen = choose_lengths(durations, 3, crop=True)
    best = min(lost([lower[0], *some]) for some in itertools.combinations(lower[1:], 2))
    assert lost(chosen) == pytest.approx(best, abs=1e-6)
    assert bucket_of(0.5, chosen, crop=True) is None
    assert bucket_of(9.0, (2.0, 8.0), crop=False) is None


def examples_of(corpus: Path, data: DataConfig) -> list[Example]:
    return plan_examples([read_manifest(corpus / "train.tsv")], data, 1, 0)


def test_batches_have_their_length(corpus: Path, small_run: Build) -> None:
    vocabulary = Vocabulary.english()
    clips = read_manifest(corpus / "train.tsv")
    run = small_run("finetune", "data.length_buckets=0.8,1.2,1.6")
    collate = FinetuningCollator(run, AudioCache(), True, vocabulary)
    for index, batch in enumerate(EpochPlan(run, Selection([clips]))(0)):
        made = collate(batch, 0, index)
        assert made.waveform.shape[1] in (12800, 19200, 25600)
        assert made.waveform.shape[1] >= made.lengths.max()
        assert made.time_mask is not None
        assert made.time_mask.shape[1] == run.model.frame_count(made.waveform.shape[1])
        for row, length in zip(made.waveform, made.lengths, strict=True):
            assert not row[length:].any()
    run = small_run("pretrain", "data.length_buckets=0.6,0.9", "data.crop_s=1.3")
    crop = PretrainingCollator(run, AudioCache(), True)
    sizes = [
        crop(batch, 0, index).waveform.shape[1] for index, batch in enumerate(EpochPlan(run, Selection([clips]))(0))
    ]
    # the shortest clips, of 0.5 to 0.6 s, keep their own lengths
    assert {size for size in sizes if size >= 9600} == {9600, 14400}
    assert len([size for size in sizes if size < 9600]) == 1


def test_a_clip_longer_than_its_table_says_is_not_cut_off(corpus: Path, small_run: Build) -> None:
    from dataclasses import replace

    run = small_run("finetune", "data.length_buckets=0.8,1.6")
    wrong = replace(read_manifest(corpus / "train.tsv")[10], duration_s=0.7)  # 1.0 s
    (batch,) = EpochPlan(run, Selection([[wrong]]))(0)
    assert batch[0].bucket_s == 0.8
    made = FinetuningCollator(run, AudioCache(), False, Vocabulary.english())(batch, 0, 0)
    assert made.waveform.shape[1] == made.lengths[0] == 16000
