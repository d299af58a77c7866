import numpy as np
import pytest
from scipy.signal import spectrogram as scipy_spectrogram
from scipy.signal.windows import hann
from scipy.special import softmax

from engine.masking import draw_spans, draw_time_mask
from engine.text.pronunciation import phone_vocabulary
from w2v_studio.inspection.analysis import (
    code_usage,
    combined_ids,
    draw_mask,
    letter_probabilities,
    likely_tokens,
    mask_spans,
    occurrences,
    perplexity,
    sample_range,
    spectrogram,
    top_letters,
)

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("hz", [250, 1000, 3125, 7000])
def test_a_tone_peaks_at_its_frequency(hz):
    waveform = np.sin(2 * np.pi * hz * np.arange(16000) / 16000).astype(np.float32)
    picture = spectrogram(waveform)
    bins = np.arange(len(picture.decibels)) / (len(picture.decibels) - 1) * picture.top_hz
    peaks = bins[picture.decibels.argmax(axis=0)]
    assert np.abs(peaks - hz).max() <= 16000 / 512 / 2
    assert picture.decibels.max() == pytest.approx(0, abs=1e-3)


def test_spectrogram_equals_scipy():
    waveform = RNG.normal(size=16000).astype(np.float32)
    ours = spectrogram(waveform).decibels
    _, _, power = scipy_spectrogram(waveform, 16000, hann(400, sym=False), 400, 240, 512, detrend=False)
    power[1:-1] /= 2  # one-sided densities count the negative frequencies too
    reference = 10 * np.log10(np.maximum(power / power.max(), 1e-8))
    assert ours.shape == reference.shape
    assert np.abs(ours - reference).max() < 0.01


def test_a_click_is_seen_when_it_sounds():
    waveform = np.zeros(16000, dtype=np.float32)
    waveform[8000] = 1
    picture = spectrogram(waveform)
    loudest = int(picture.decibels.mean(axis=0).argmax())
    middle_s = picture.start_s + (loudest + 0.5) * picture.step_s
    assert middle_s == pytest.approx(0.5, abs=0.006)


def test_silence_and_scraps_have_a_spectrogram():
    assert np.isfinite(spectrogram(np.zeros(800, dtype=np.float32)).decibels).all()
    assert spectrogram(np.zeros(399, dtype=np.float32)).decibels.shape == (257, 0)


def test_perplexity_of_the_reference():
    # Reference, section 10 and 23: both groups uniform 639.98, a single code in each 2.0.
    uniform = np.full(320, 1 / 320)
    single = np.eye(320)[7]
    assert 2 * perplexity(uniform) == pytest.approx(639.98, abs=0.005)
    assert 2 * perplexity(single) == pytest.approx(2.0, abs=1e-5)


def test_usage_by_loop():
    frames, groups, entries = 300, 2, 17
    probs = softmax(RNG.normal(size=(frames, groups, entries)) * 3, axis=-1).astype(np.float32)
    ids = probs.argmax(axis=-1)
    usage = code_usage(ids, probs)
    for group in range(groups):
        counts = [sum(int(code) == entry for code in ids[:, group]) for entry in range(entries)]
        assert usage.counts[group].tolist() == counts
        shares = [count / frames for count in counts]
        entropy = -sum(share * np.log(share + 1e-7) for share in shares)
        assert usage.code_perplexities[group] == pytest.approx(np.exp(entropy))
        mean = [float(np.mean([probs[frame, group, entry] for frame in range(frames)])) for entry in range(entries)]
        soft = -sum(share * np.log(share + 1e-7) for share in mean)
        assert usage.prob_perplexities[group] == pytest.approx(np.exp(soft), rel=1e-5)
        assert usage.codes_used[group] == len(set(ids[:, group].tolist()))
    pairs = [tuple(pair) for pair in ids.tolist()]
    shares = [pairs.count(pair) / frames for pair in set(pairs)]
    assert usage.pairs_used == len(set(pairs))
    assert usage.pair_perplexity == pytest.approx(np.exp(-sum(share * np.log(share + 1e-7) for share in shares)))
    assert usage.code_perplexity == pytest.approx(sum(usage.code_perplexities))


def test_usage_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        code_usage(np.zeros((0, 2), np.int64), np.zeros((0, 2, 4), np.float32))


def test_combined_ids_put_group_zero_first():
    assert combined_ids(np.array([[0, 0], [0, 319], [1, 0], [319, 319]]), 320).tolist() == [0, 319, 320, 102399]


def test_occurrences_by_loop():
    ids = RNG.integers(0, 4, size=(200, 2)).repeat(2, axis=0)
    for group, code in ((0, 0), (0, 3), (1, 2), (1, 99)):
        runs, start = [], None
        for frame in range(len(ids) + 1):
            here = frame < len(ids) and ids[frame, group] == code
            if here and start is None:
                start = frame
            if not here and start is not None:
                runs.append((start, frame))
                start = None
        assert occurrences(ids, group, code) == runs
    assert occurrences(np.zeros((5, 1), np.int64), 0, 0) == [(0, 5)]


def test_sample_range_covers_the_receptive_fields():
    assert sample_range(0, 1) == (0, 400)
    assert sample_range(3, 6) == (960, 2000)  # frame 5 begins at 1600 and sees 400 samples


def test_letters():
    logits = RNG.normal(size=(30, 9)).astype(np.float32) * 40
    probabilities = letter_probabilities(logits)
    assert np.allclose(probabilities, softmax(logits, axis=-1), atol=1e-6)
    ids, shares = top_letters(probabilities, 3)
    for frame in range(30):
        ranked = sorted(range(9), key=lambda token: -probabilities[frame, token])[:3]
        assert ids[frame].tolist() == ranked
        assert shares[frame].tolist() == [probabilities[frame, token] for token in ranked]


@pytest.mark.parametrize("frames", [1, 9, 49, 749])
def test_the_mask_is_that_of_the_engine(frames):
    mask = draw_mask(frames, 0.65, 10, 2, seed=5)
    assert (mask == draw_mask(frames, 0.65, 10, 2, seed=5)).all()
    assert (mask == draw_time_mask(np.array([frames]), 0.65, 10, np.random.default_rng(5), min_spans=2)[0]).all()
    assert (mask == draw_spans(frames, 0.65, 10, np.random.default_rng(5), min_spans=2)).all()
    rebuilt = np.zeros(frames, dtype=bool)
    for start, end in mask_spans(mask):
        rebuilt[start:end] = True
    assert (rebuilt == mask).all()


def test_seeds_differ():
    assert (draw_mask(500, 0.65, 10, 2, seed=0) != draw_mask(500, 0.65, 10, 2, seed=1)).any()


def test_runs_of_likely_phones_with_their_times():
    logits = np.full((6, 3), -20, np.float32)
    for frame, token in enumerate([0, 1, 1, 0, 1, 2]):
        logits[frame, token] = 0
    logits[2, 0] = -1
    spans = likely_tokens(logits, phone_vocabulary(("AH", "T")), 0.02)
    assert [(span.word, round(span.start_s, 3), round(span.end_s, 3)) for span in spans] == [
        ("AH", 0.02, 0.06),
        ("AH", 0.08, 0.1),
        ("T", 0.1, 0.12),
    ]
    assert [round(span.confidence, 4) for span in spans] == [1, 1, 1]
    assert likely_tokens(logits[:0], phone_vocabulary(("AH", "T")), 0.02) == []
