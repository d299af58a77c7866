"""Measures of confidence against scipy, loops and made-up cases with a known answer."""

import numpy as np
import pytest
import torch

from engine.text.ctc import decode_words
from engine.text.error_rate import edit_distance
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.calibration import (
    fit_platt,
    fit_temperature,
    greedy_confidences,
    judge,
    platt,
    right_words,
)
from w2v_studio.recognition.decoding.settings import DecodingError


def test_right_words_are_what_the_fewest_edits_leave():
    assert right_words(list("ABC"), list("AXCD")) == [True, False, True, False]
    assert right_words([], ["A"]) == [False]
    assert right_words(["A"], []) == []
    rng = np.random.default_rng(0)
    for _ in range(50):
        reference, found = (
            rng.integers(0, 4, rng.integers(0, 8)).tolist(),
            rng.integers(0, 4, rng.integers(0, 8)).tolist(),
        )
        errors = edit_distance(reference, found)
        right = sum(right_words(reference, found))
        assert max(len(reference), len(found)) - right <= errors <= len(reference) + len(found) - 2 * right


def test_auroc_counts_pairs_and_is_that_of_the_rank_sum_test():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    right = rng.random(200) < 0.7
    confidences = np.round(np.clip(rng.normal(0.5 + 0.2 * right, 0.2), 0, 1), 2)
    pairs = [(a > b) + 0.5 * (a == b) for a in confidences[right] for b in confidences[~right]]
    found = judge(confidences, right)
    assert found.auroc == pytest.approx(np.mean(pairs))
    wanted = stats.mannwhitneyu(confidences[right], confidences[~right]).statistic / len(pairs)
    assert found.auroc == pytest.approx(wanted)


def test_confidences_that_say_nothing_more_than_the_share_have_no_gain_and_no_error():
    right = np.arange(100) < 80
    flat = judge(np.full(100, 0.8), right)
    assert (flat.auroc, flat.nce, flat.ece) == pytest.approx((0.5, 0, 0))
    perfect = judge(right.astype(float), right)
    assert perfect.auroc == 1
    assert perfect.nce > 0.99
    assert perfect.ece == pytest.approx(0)
    opposite = judge(1 - right.astype(float), right)
    assert opposite.auroc == 0
    assert opposite.nce < -1
    assert opposite.ece == pytest.approx(1)


def test_only_right_words_can_be_counted_but_not_judged():
    found = judge(np.ones(5), np.ones(5, bool))
    assert (found.words, found.right) == (5, 5)
    assert np.isnan(found.auroc)
    assert np.isnan(found.nce)


def test_the_fitted_temperature_surprises_less_than_others():
    vocabulary = Vocabulary.english()
    rng = np.random.default_rng(2)
    logits, references = [], []
    for _ in range(300):
        rows = rng.normal(size=(6, 32)).astype(np.float32) * 0.5
        path = [7, 0, 5, 0, 6, 0]
        hardness = rng.uniform(0, 6)
        rows[range(6), path] += 9 - hardness
        rows[2, 20] += 9 - rng.uniform(0, 6)  # sometimes another letter wins
        logits.append(rows)
        references.append(vocabulary.decode([7, 5, 6]))
    temperature = fit_temperature(logits, references, vocabulary)
    right = np.array(
        [
            is_right
            for rows, text in zip(logits, references, strict=True)
            for is_right in right_words([text], [word.word for word in decode_words(rows, vocabulary)])
        ]
    )
    best = judge(greedy_confidences(logits, vocabulary, temperature), right)
    for other in (0.3 * temperature, 3 * temperature):
        assert judge(greedy_confidences(logits, vocabulary, other), right).nce < best.nce
    assert best.auroc > 0.7
    with pytest.raises(DecodingError, match="5 words"):
        fit_temperature(logits[:5], references[:5], vocabulary)


def test_platts_line_is_that_of_torchs_logistic_regression():
    rng = np.random.default_rng(5)
    evidence = rng.normal(-1, 1.5, 400)
    right = rng.random(400) < 1 / (1 + np.exp(-(1.7 * evidence + 0.9)))
    (slope,), offset = fit_platt(evidence[:, None], right)
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200, tolerance_grad=1e-10)

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(
            line[0] * torch.tensor(evidence) + line[1], torch.tensor(right, dtype=torch.float64)
        )
        value.backward()
        return value

    optimizer.step(loss)
    assert (slope, offset) == pytest.approx(line.tolist(), rel=1e-2)
    sure = platt(evidence[:, None], [slope], offset)
    assert sure.mean() == pytest.approx(right.mean(), abs=1e-3)
    assert judge(sure, right).ece < 0.06


def test_words_that_cannot_tell_give_no_line():
    evidence = np.linspace(-3, 0, 60)[:, None]
    for right in (np.ones(60, bool), np.zeros(60, bool)):
        with pytest.raises(DecodingError, match="say nothing"):
            fit_platt(evidence, right)
    with pytest.raises(DecodingError, match="say nothing"):
        fit_platt(evidence[:20], evidence[:20, 0] > -2.5)
    with pytest.raises(DecodingError, match="no better"):
        fit_platt(evidence, evidence[:, 0] < -1.5)
    (slope,), _ = fit_platt(evidence, evidence[:, 0] > -1.5)  # told apart without a mistake
    assert 0 < slope < 1000


def test_of_several_kinds_of_evidence_those_count_that_speak_for_a_word():
    rng = np.random.default_rng(6)
    evidence = np.stack((rng.normal(-1, 1.5, 2000), rng.normal(1, 2, 2000), np.full(2000, 0.3)), axis=1)
    right = rng.random(2000) < 1 / (1 + np.exp(-(evidence @ [1.1, 0.6, 0.0] + 0.4)))
    (sound, votes, nothing), offset = fit_platt(evidence, right)
    assert (sound, votes, offset) == pytest.approx((1.1, 0.6, 0.4), rel=0.25)
    assert nothing == 0.0
    both = judge(platt(evidence, [sound, votes, 0.0], offset), right)
    assert both.nce > judge(platt(evidence[:, :1], *fit_platt(evidence[:, :1], right)), right).nce + 0.05
    # What speaks against the right words is left out, and the others count as if it were not there.
    slopes, with_it = fit_platt(evidence * [1, -1, 1], right)
    (alone,), without = fit_platt(evidence[:, :1], right)
    assert (*slopes, with_it) == pytest.approx((alone, 0.0, 0.0, without))
