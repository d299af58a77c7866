import numpy as np
import pytest

from w2v_studio.recognition.live_features import CachedFeatures, RecomputedFeatures, live_features


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
