"""Mask statistics against the table of the published code (reference section 11), by thousands of draws."""

import numpy as np
import pytest

from engine.masking import LiveSpanMask, draw_channel_mask, draw_distractors, draw_spans, draw_time_mask


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("frames", "share"), [(99, 0.497), (249, 0.493), (499, 0.492), (749, 0.491), (999, 0.490)])
def test_masked_share(frames, share):
    generator = rng()
    rows = [draw_spans(frames, 0.65, 10, generator, min_spans=2) for _ in range(2000)]
    assert np.mean(rows) == pytest.approx(share, abs=0.005)
    assert not any(row[-1] for row in rows), "starts come from [0, T - M): the last frame is never masked"


def test_merged_span_lengths():
    generator = rng(1)
    lengths = []
    for _ in range(500):
        row = draw_spans(749, 0.65, 10, generator, min_spans=2)
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(int), [0]))))
        lengths += list(edges[1::2] - edges[::2])
    assert np.mean(lengths) == pytest.approx(14.7, abs=0.3)
    assert np.median(lengths) == 10


def test_equal_counts_and_no_masked_padding():
    lengths = np.array([300, 120, 57])
    for seed in range(50):
        mask = draw_time_mask(lengths, 0.65, 10, rng(seed), equalize=True)
        assert mask.shape == (3, 300)
        assert len(set(mask.sum(axis=1))) == 1
        assert mask.sum(axis=1)[0] >= 2
        for row, size in zip(mask, lengths, strict=True):
            assert not row[size:].any()


@pytest.mark.parametrize("rows_and_share", [(2, 0.477), (4, 0.466), (8, 0.456), (16, 0.447)])
def test_share_after_equalizing(rows_and_share):
    rows, share = rows_and_share
    generator = rng(2)
    shares = [draw_time_mask(np.full(rows, 749), 0.65, 10, generator, equalize=True).mean() for _ in range(300)]
    assert np.mean(shares) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("size", range(1, 30))
def test_short_rows_keep_some_context(size):
    for seed in range(100):
        mask = draw_spans(size, 0.65, 10, rng(seed), min_spans=2)
        assert len(mask) == size
        assert not mask.all()


@pytest.mark.parametrize(("channels", "prob", "share"), [(768, 0.5, 0.40), (768, 0.25, 0.23), (768, 0.1, 0.10)])
def test_channel_share(channels, prob, share):
    mask = draw_channel_mask(2000, channels, prob, 64, rng(3))
    assert mask.mean() == pytest.approx(share, abs=0.015)


def test_zero_probability_masks_nothing():
    assert not draw_spans(500, 0.0, 10, rng(), min_spans=2).any()


def test_distractors_are_other_masked_frames_drawn_uniformly():
    mask = np.zeros((2, 40), dtype=bool)
    mask[:, 5:13] = True
    picks = draw_distractors(mask, 7000, rng(4))
    assert picks.shape == (2, 8, 7000)
    for frame in range(8):
        counts = np.bincount(picks[:, frame].ravel(), minlength=8)
        assert counts[frame] == 0
        others = np.delete(counts, frame)
        expected = 14000 / 7
        assert ((others - expected) ** 2 / expected).sum() < 27.9, "chi-square, 6 degrees of freedom, p = 1e-4"


def test_distractors_refuse_unequal_rows():
    mask = np.zeros((2, 10), dtype=bool)
    mask[0, :4] = mask[1, :5] = True
    with pytest.raises(ValueError, match="same number"):
        draw_distractors(mask, 3, rng())


def test_live_mask_does_not_depend_on_how_it_is_taken():
    whole = LiveSpanMask(0.65, 10, 2, seed=5).take(1700)
    live = LiveSpanMask(0.65, 10, 2, seed=5)
    pieces = np.concatenate([live.take(size) for size in (1, 7, 8, 484, 500, 700)])
    assert (pieces == whole).all()
    assert whole.mean() == pytest.approx(0.49, abs=0.05)
    live.reset()
    assert (live.take(1700) == whole).all()
