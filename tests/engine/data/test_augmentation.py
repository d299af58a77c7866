"""Rooms and recorded noise: what lhotse does, and that nothing hangs on anything but the clip's own generator."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine.config import ConfigError, DataConfig, RunConfig
from engine.data.audio import AudioCache
from engine.data.augmentation import Augmentation
from engine.data.batches import FinetuningCollator
from engine.data.examples import plan_examples
from engine.data.manifest import DataError, read_manifest
from engine.data.rooms import Rooms, random_rooms
from engine.text.vocabulary import Vocabulary

pytest.importorskip("lhotse")
Record = Callable[..., Path]
Build = Callable[..., RunConfig]


def click(samples: int = 16000, place: int = 4000) -> np.ndarray:
    wave = np.zeros(samples, dtype=np.float32)
    wave[place] = 0.5
    return wave


def test_a_given_room_is_convolved_keeping_time_and_power(tmp_path: Path) -> None:
    response = np.zeros(3000, dtype=np.float32)
    response[[120, 900, 2000]] = 0.8, 0.4, -0.2  # the direct sound comes late, as in a recording
    (tmp_path / "rooms").mkdir()
    soundfile.write(tmp_path / "rooms/hall.wav", response, 16000, subtype="FLOAT")
    rooms = Rooms(DataConfig(reverb=1.0, impulse_responses=str(tmp_path / "rooms")), seed=1)
    wave = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    heard = rooms(wave, np.random.default_rng(0))
    wanted = np.convolve(wave.astype(np.float64), response)[120 : 120 + len(wave)]
    wanted *= np.sqrt(np.mean(wave**2) / np.mean(wanted**2))
    assert heard.dtype == np.float32
    assert np.abs(heard - wanted).max() < 1e-4
    assert rooms(click(), np.random.default_rng(0)).argmax() == 4000
    soundfile.write(tmp_path / "rooms/hall.wav", 0 * response, 16000)
    with pytest.raises(DataError, match="impulse response is silent"):
        Rooms(DataConfig(reverb=1.0, impulse_responses=str(tmp_path / "rooms")), seed=1)


def test_random_rooms_are_those_of_the_seed_and_leave_torch_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = random_rooms(2, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    again, other = random_rooms(2, seed=3), random_rooms(2, seed=4)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert len(first[0]) != len(other[0]) or not np.array_equal(first[0], other[0])
    assert all(0.1 * 16000 <= len(room) <= 0.8 * 16000 + 1 for room in first)


def test_reverb_falls_on_the_share_of_clips_that_was_asked_for(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "rooms/a.wav", 0.2)
    data = DataConfig(reverb=0.3, impulse_responses=str(tmp_path / "rooms"))
    change = Augmentation(data, AudioCache(), seed=1)
    wave = click(2000, 100)
    changed = sum(not np.array_equal(change(wave, np.random.default_rng(seed)), wave) for seed in range(400))
    assert changed / 400 == pytest.approx(0.3, abs=0.07)


def test_recorded_noise_is_from_the_recordings_at_the_level_asked_for(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    for name, hertz in (("hum", 100), ("whine", 3000)):
        wave = 0.01 * np.sin(2 * np.pi * hertz * np.arange(4000) / 16000)
        soundfile.write(tmp_path / f"noise/{name}.wav", wave, 16000)
    data = DataConfig(noise_db=10.0, noise=(str(tmp_path / "noise"),))
    change = Augmentation(data, AudioCache(), seed=1)
    wave = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.2
    peaks, ratios = set(), []
    for seed in range(60):
        noise = change(wave, np.random.default_rng(seed)) - wave
        if noise.any():
            assert len(noise) == 16000  # a short recording goes round
            peaks.add(int(np.abs(np.fft.rfft(noise)).argmax()))
            ratios.append(10 * np.log10(np.mean(wave**2) / np.mean(noise**2)))
    assert peaks == {100, 3000}
    assert min(ratios) > 9
    assert max(ratios) < 42
    assert 0.5 < len(ratios) / 60 < 0.9


def test_new_changes_do_not_move_what_the_old_ones_draw(corpus: Path, small_run: Build, tmp_path: Path) -> None:
    """A saved run that knew neither rooms nor recorded noise goes on as it began."""
    examples = plan_examples([read_manifest(corpus / "train.tsv")[:4]], DataConfig(), 1, 0)
    run = small_run("finetune", "data.gain_db=6", "data.noise_db=10")
    batch = FinetuningCollator(run, AudioCache(), True, Vocabulary.english())(examples, 0, 0)
    for row, example in zip(batch.waveform, examples, strict=True):
        wave, _ = soundfile.read(example.clips[0].path, dtype="float32")
        rng = np.random.default_rng([run.loop.seed, 1, 0, example.index])
        if rng.random() < 0.7:  # as augmentation.py was before: chance, ratio, kind, noise, gain
            ratio = rng.uniform(10, 40)
            level = np.float32(np.sqrt(float(np.mean(np.square(wave))) * 10 ** (-ratio / 10)))
            if rng.random() < 0.5:
                wave = wave + level * rng.standard_normal(len(wave), dtype=np.float32)
            else:
                continue  # pink noise is a table of its own
        gain = np.float32(10 ** (rng.uniform(-6, 6) / 20))
        assert np.array_equal(row[: len(wave)], np.clip(wave * gain, -1, 1))


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("data.reverb=1.5", r"data\.reverb=1\.5 must lie between 0 and 1"),
        ("data.noise=musan", r"data\.noise is never heard while data\.noise_db is 0"),
        ("data.length_buckets=4.5", "two lengths or more"),
        ("data.length_buckets=4,-1", "two lengths or more"),
        ("data.rooms=0", r"data\.rooms must be above 0"),
    ],
)
def test_settings_that_cannot_be_meant(setting: str, wanted: str, small_run: Build) -> None:
    with pytest.raises(ConfigError, match=wanted):
        small_run("finetune", setting)
