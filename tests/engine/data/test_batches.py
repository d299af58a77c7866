from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.config import RunConfig
from engine.data.audio import AudioCache
from engine.data.augmentation import add_noise, change_gain, change_speed, draw_noise
from engine.data.batches import FinetuningCollator, PretrainingCollator
from engine.data.examples import Example, plan_examples
from engine.data.manifest import Clip, DataError, read_manifest
from engine.text.vocabulary import Vocabulary

Build = Callable[..., RunConfig]


def examples_of(corpus: Path, count: int) -> list[Example]:
    from engine.config import DataConfig

    return plan_examples([read_manifest(corpus / "train.tsv")[:count]], DataConfig(), 1, 0)


def test_pretraining_rows_are_crops_of_their_clips_and_equally_masked(corpus: Path, small_run: Build) -> None:
    run = small_run("pretrain")
    examples = examples_of(corpus, 20)[-6:]  # 1.2 to 1.45 s, cropped to 1 s
    batch = PretrainingCollator(run, AudioCache(), training=True)(examples, 0, 0)
    assert batch.waveform.shape == (6, 16000)
    for row, example in zip(batch.waveform, examples, strict=True):
        source, _ = soundfile.read(example.clips[0].path, dtype="float32")
        starts = np.flatnonzero(np.isclose(source[: len(source) - 15999], row[0], atol=1e-7))
        assert any(np.array_equal(source[start : start + 16000], row) for start in starts)
    masked = batch.time_mask.sum(axis=1)
    assert batch.time_mask.shape == (6, 49)
    assert len(set(masked)) == 1
    assert batch.distractors.shape == (6, masked[0], 10)
    assert batch.audio_s == pytest.approx(6.0)


def test_batches_depend_on_place_and_not_on_what_was_read_before(corpus: Path, small_run: Build) -> None:
    run = small_run("pretrain", "data.gain_db=6", "data.noise_db=10", "data.crop_s=0.4")
    collate = PretrainingCollator(run, AudioCache(), training=True)
    examples = examples_of(corpus, 4)
    first = collate(examples, 2, 7)
    collate(examples, 3, 1)
    again, other = collate(examples, 2, 7), collate(examples, 3, 7)
    assert np.array_equal(first.waveform, again.waveform)
    assert np.array_equal(first.time_mask, again.time_mask)
    assert np.array_equal(first.distractors, again.distractors)
    assert not np.array_equal(first.waveform, other.waveform)


def test_a_clip_too_short_to_be_masked_is_named(tmp_path: Path, small_run: Build) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(700, dtype=np.int16), 16000)
    clip = Clip(tmp_path / "a.wav", 1.0, origin="m.tsv:2")
    with pytest.raises(DataError, match=r"m\.tsv:2 is too short .*700 samples"):
        PretrainingCollator(small_run("pretrain"), AudioCache(), training=True)([Example((clip,), 0)], 0, 0)


def test_finetuning_rows_are_padded_and_padding_is_never_masked(corpus: Path, small_run: Build) -> None:
    run = small_run("finetune", "masking.channel_prob=0.5", "masking.channel_length=4")
    vocabulary = Vocabulary.english()
    examples = examples_of(corpus, 20)[::5]
    batch = FinetuningCollator(run, AudioCache(), True, vocabulary)(examples, 0, 0)
    assert batch.lengths.tolist() == [8000, 12000, 16000, 20000]
    for row, length in zip(batch.waveform, batch.lengths, strict=True):
        assert np.abs(row[:length]).max() > 0.2
        assert not row[length:].any()
    assert batch.transcripts == ["EE E"] * 4
    for target, length in zip(batch.targets, batch.target_lengths, strict=True):
        assert vocabulary.decode(target[:length].tolist()) == "EE E"
    assert batch.time_mask is not None
    assert batch.channel_mask is not None
    assert batch.time_mask.shape == (4, 62)
    for row_mask, frames in zip(batch.time_mask, (24, 37, 49, 62), strict=True):
        assert row_mask[:frames].any()
        assert not row_mask[frames:].any()
    assert batch.channel_mask.shape == (4, 16)
    plain = FinetuningCollator(run, AudioCache(), False, vocabulary)(examples, 0, 0)
    assert plain.time_mask is None
    assert plain.channel_mask is None


def test_joined_audio_is_the_clips_with_pauses_around_them(corpus: Path, small_run: Build) -> None:
    clips = tuple(read_manifest(corpus / "train.tsv")[:2])
    example = Example(clips, 0, (0.1, 0.2, 0.5))
    collate = FinetuningCollator(small_run("finetune"), AudioCache(), True, Vocabulary.english())
    batch = collate([example], 0, 0)
    first, second = (soundfile.read(clip.path, dtype="float32")[0] for clip in clips)
    row = batch.waveform[0]
    assert batch.lengths[0] == 1600 + len(first) + 3200 + len(second) + 8000
    assert np.array_equal(row[1600 : 1600 + len(first)], first)
    assert np.array_equal(row[-8000 - len(second) : -8000], second)
    assert np.sqrt(np.mean(row[:1600] ** 2)) < 10 ** (-44 / 20)
    assert batch.transcripts == ["EE E TT T"]


def test_speed_changes_length_and_pitch() -> None:
    wave = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    faster = change_speed(wave, 1.25)
    assert len(faster) == pytest.approx(12800, abs=2)
    peak_hz = np.abs(np.fft.rfft(faster)).argmax() * 16000 / len(faster)
    assert peak_hz == pytest.approx(625, abs=2)


def test_noise_stays_below_its_limit() -> None:
    wave = np.sin(np.arange(32000) / 7).astype(np.float32)
    ratios = []
    for seed in range(40):
        noise = add_noise(wave, 10.0, np.random.default_rng(seed)) - wave
        if noise.any():
            ratios.append(10 * np.log10(np.mean(wave**2) / np.mean(noise**2)))
    assert 20 <= len(ratios) < 40
    assert min(ratios) > 9
    assert max(ratios) < 42
    silent = np.zeros(100, dtype=np.float32)
    assert not add_noise(silent, 10.0, np.random.default_rng(1)).any()


def test_pink_noise_falls_by_3_decibels_an_octave() -> None:
    powers = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        if np.random.default_rng(seed).random() >= 0.5:  # the draw that chooses pink
            powers.append(np.abs(np.fft.rfft(draw_noise(4096, rng))) ** 2)
    power = np.mean(powers, axis=0)
    octaves = [power[2**place : 2 ** (place + 1)].mean() for place in range(5, 10)]
    assert np.allclose(np.diff(10 * np.log10(octaves)), -3, atol=1.0)


def test_gain_is_bounded_and_clips_at_full_scale() -> None:
    wave = np.full(10, 0.5, dtype=np.float32)
    levels = [change_gain(wave, 12.0, np.random.default_rng(seed))[0] for seed in range(200)]
    assert min(levels) >= 0.5 * 10 ** (-12 / 20) - 1e-6
    assert max(levels) == 1.0
