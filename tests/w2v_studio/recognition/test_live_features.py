from dataclasses import replace

import numpy as np
import pytest

from w2v_studio.recognition.live_features import (
    CachedFeatures,
    FrozenScaleFeatures,
    RecomputedFeatures,
    live_features,
)
from w2v_studio.recognition.sessions import Recognizer


@pytest.fixture(scope="module")
def normalizing_recognizer(recognizer):
    """Layer norm behind a waveform of zero mean and unit variance, as published large models have it."""
    bundle = replace(recognizer.bundle, card=replace(recognizer.bundle.card, normalize_waveform=True))
    return Recognizer(bundle, "cpu", threads=1)


def noise(samples: int):
    return np.random.default_rng(5).normal(0, 0.1, samples).astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_cached_features_equal_those_of_the_whole_file(recognizer, seed):
    rng = np.random.default_rng(seed)
    waveform = noise(int(rng.integers(400, 60_000)))
    features, codes, place = CachedFeatures(recognizer), [], 0
    while place < len(waveform):
        size = int(rng.integers(1, 5000))
        features.push(waveform[place : place + size])
        place += size
        if rng.random() < 0.7:
            codes.append(features.advance())
    features.finish()
    codes.append(features.advance())
    whole = recognizer.features(recognizer.grid.pad_tail(waveform))
    assert features.frames == len(whole.latents)
    assert np.abs(features.latents(0, features.frames) - whole.latents).max() < 1e-5
    assert (np.concatenate(codes) != whole.code_ids).mean() < 1e-3  # but for ties


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 401, 719, 720, 721])
def test_short_streams(recognizer, samples):
    features = CachedFeatures(recognizer)
    features.push(noise(samples))
    features.finish()
    codes = features.advance()
    assert len(codes) == features.frames == recognizer.grid.count(len(recognizer.grid.pad_tail(noise(samples))))
    assert len(features.advance()) == 0


def test_recomputed_features_are_those_of_the_window_alone(group_norm_recognizer):
    waveform = noise(64_000)
    features = RecomputedFeatures(group_norm_recognizer)
    codes = []
    for start in range(0, len(waveform), 4096):
        features.push(waveform[start : start + 4096])
        codes.append(features.advance())
    assert sum(map(len, codes)) == features.frames == group_norm_recognizer.grid.count(64_000)
    window = waveform[320 * 30 : 320 * 30 + 320 * 100 + 80]
    alone = group_norm_recognizer.features(window).latents
    assert np.abs(features.latents(30, 130) - alone).max() < 1e-4
    newest = group_norm_recognizer.features(waveform[320 * (features.frames - 100) :][: 320 * 100 + 80])
    assert np.array_equal(codes[-1], newest.code_ids[-len(codes[-1]) :])


def test_frozen_statistics_are_those_of_the_first_three_seconds(normalizing_recognizer, recognizer):
    rng = np.random.default_rng(2)
    loudness = np.repeat(rng.uniform(0.2, 2, 13), 16_000)
    waveform = (noise(13 * 16_000) * loudness + 0.01).astype(np.float32)
    features, first = FrozenScaleFeatures(normalizing_recognizer), 40
    features.begin(first)
    window = waveform[320 * first :]
    for start in range(0, len(waveform), 5120):
        features.push(waveform[start : start + 5120])
        features.advance(with_codes=False)
        last = features.frames
        if last < first + 20:
            continue
        latents = features.latents(first, last)
        seen = window[: 320 * (last - first) + 80]
        if last - first < 150:  # not frozen yet: the window by itself
            expected = normalizing_recognizer.features(seen).latents
        else:
            three = window[: 320 * 150 + 80]
            scaled = (seen - three.mean()) / np.sqrt(three.var() + 1e-5)
            expected = recognizer.features(scaled.astype(np.float32)).latents
        assert np.abs(latents - expected).max() < 1e-4
        exact = normalizing_recognizer.features(seen).latents
        assert np.abs(features.exact_latents(first, last) - exact).max() < 1e-4
    assert np.abs(latents - exact).max() > 1e-2  # they do differ: the final text needs its own


def test_frozen_statistics_let_frames_be_computed_once(normalizing_recognizer):
    computed = []

    class Counting(Recognizer):
        def __init__(self):
            self.__dict__.update(normalizing_recognizer.__dict__)

        def features(self, waveform, **options):
            computed.append(len(waveform))
            return super().features(waveform, **options)

    features = live_features(Counting())
    assert isinstance(features, FrozenScaleFeatures)
    for _ in range(60):
        features.push(noise(5120))
        features.advance(with_codes=False)
        features.latents(max(0, features.frames - 250), features.frames)
        features.forget(features.frames - 400)
    late = computed[20:]
    assert max(late) <= 5120 + 400
    assert features.nbytes < 4 * 4 * 320 * 1100


def test_a_new_segment_has_statistics_of_its_own(normalizing_recognizer):
    features = FrozenScaleFeatures(normalizing_recognizer)
    features.push(noise(160_000))
    features.push(5 * noise(160_000))
    features.advance(with_codes=False)
    features.begin(0)
    first = features.latents(0, 400)
    features.begin(520)
    again = FrozenScaleFeatures(normalizing_recognizer)
    again.push((5 * noise(160_000))[520 * 320 - 160_000 :])
    again.advance(with_codes=False)
    again.begin(0)
    assert np.abs(features.latents(520, 900) - again.latents(0, 380)).max() < 1e-4
    assert len(first) == 400


def test_the_kind_follows_the_model(recognizer, group_norm_recognizer):
    assert isinstance(live_features(recognizer), CachedFeatures)
    assert isinstance(live_features(group_norm_recognizer), RecomputedFeatures)


@pytest.mark.parametrize("kind", ["recognizer", "group_norm_recognizer"])
def test_an_endless_stream_needs_no_endless_memory(kind, request):
    features = live_features(request.getfixturevalue(kind))
    for _ in range(100):
        features.push(noise(5120))
        features.advance()
        features.forget(features.frames - 100)
    assert features.nbytes < 4 * 4 * 45_000 + 4 * 4 * 200 * 32
