"""The start for small pre-trainings: convolutions that give the log mel spectrum."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.config import ConfigError, ModelConfig, RunConfig
from engine.events import Evaluation, Failed, Finished, Step
from engine.model.spectra import SpectraModel, log_mel
from engine.training.checkpoint import load_checkpoint

Build = Callable[..., RunConfig]
Train = Callable[..., Finished | Failed]
Told = Callable[..., list[Any]]
LEARNING = ("wav2vec2.feature_extractor.", "wav2vec2.feature_projection.layer_norm.")
SPECTRA = ("objective.spectra=true", "model.feature_norm=layer", "model.conv_channels=16,16,16,16,16,32,64")


def test_the_log_mel_spectrum_by_hand() -> None:
    """Windowed Fourier sums at each frame's own 400 samples, triangles on the mel scale of 2595 log10(1 + f / 700)."""
    rng = np.random.default_rng(0)
    waveform = rng.normal(size=(2, 1360)) * 0.1
    bins = np.arange(201) * 40.0
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    rows = []
    for row in waveform:
        frames = np.stack([row[start : start + 400] for start in (0, 320, 640, 960)])
        rows.append(np.log(np.abs(np.fft.rfft(frames * window)) ** 2 @ triangles + 1e-6))
    wanted = np.stack(rows)
    wanted = (wanted - wanted.mean(axis=(0, 1))) / np.sqrt(wanted.var(axis=(0, 1)) + 1e-5)
    found = log_mel(torch.from_numpy(waveform).float(), ModelConfig()).numpy()
    assert found.shape == (2, 4, 64)
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_only_the_convolutions_learn(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    run = small_run("pretrain", *SPECTRA, "optimizer.peak_lr=1e-2", "loop.updates=24", "loop.evaluate_every=8")
    torch.manual_seed(run.loop.seed)
    before = SpectraModel(run).state_dict()
    assert isinstance(train(run, tmp_path), Finished)
    after = load_checkpoint(tmp_path / told(tmp_path, Finished)[0].checkpoint).model
    assert before.keys() == after.keys()
    for name, weight in after.items():
        assert torch.equal(weight, before[name]) != name.startswith(LEARNING), name
    errors = [evaluation.loss for evaluation in told(tmp_path, Evaluation)]
    assert errors[0] > errors[1] > errors[2], errors
    assert all(step.accuracy is None and step.gumbel_temperature is None for step in told(tmp_path, Step))


def test_pretraining_goes_on_from_there(tmp_path: Path, small_run: Build, train: Train, told: Told) -> None:
    train(small_run("pretrain", *SPECTRA, "loop.updates=2"), tmp_path / "start")
    start = load_checkpoint(tmp_path / "start" / told(tmp_path / "start", Finished)[0].checkpoint)
    assert not start.codebook_trained
    following = small_run("pretrain", f"ctc.checkpoint={tmp_path / 'start'}", "loop.updates=4")
    assert isinstance(train(following, tmp_path / "units"), Finished)
    units = load_checkpoint(tmp_path / "units" / told(tmp_path / "units", Finished)[0].checkpoint)
    assert units.codebook_trained
    assert units.config.model.conv_channels[-1] == 64
    name = "wav2vec2.feature_extractor.conv_layers.6.conv.weight"
    assert torch.allclose(units.model[name], start.model[name], atol=0.02)
    assert not torch.equal(units.model["project_q.weight"], start.model["project_q.weight"])


def test_too_few_channels_are_refused(small_run: Build) -> None:
    with pytest.raises(ConfigError, match="64 channels or more"):
        small_run("pretrain", "objective.spectra=true", "model.conv_channels=8,8,8,8,8,8,16")
