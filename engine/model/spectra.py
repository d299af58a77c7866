"""A start for the convolutions: the log mel spectrum, learned before the units of speech. Not in the paper.

From random weights the convolutions take most of a small pre-training to become an ear: a linear classifier of phones
gains little from them. Taught the spectrum alone, which takes no Transformer, they are one after minutes.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from engine.config import SPECTRUM_BANDS, ModelConfig
from engine.model.pretraining import PretrainingModel

FLOOR = 1e-6
"""Energy of a band below which there is silence, for samples in -1 to 1."""


@lru_cache(maxsize=8)
def _mel(window: int, hop: int, device: torch.device) -> MelSpectrogram:
    return MelSpectrogram(
        16000, n_fft=window, win_length=window, hop_length=hop, n_mels=SPECTRUM_BANDS, center=False
    ).to(device)


def log_mel(waveform: Tensor, config: ModelConfig) -> Tensor:
    """(B, N) to (B, T, bands): of each frame what its convolutions see, each band with mean 0 and variance 1.

    Mean and variance are over all frames of the batch.
    """
    with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
        mel = _mel(config.receptive_field_samples, config.stride_samples, waveform.device)
        spectra: Tensor = (mel(waveform.float()) + FLOOR).log().transpose(1, 2)
        variance, mean = torch.var_mean(spectra, dim=(0, 1), correction=0)
        return (spectra - mean) * torch.rsqrt(variance + 1e-5)


class SpectraModel(PretrainingModel):
    """The network of pre-training, of which only the convolutions and the latents' layer norm run and learn."""

    def learn_convolutions_only(self) -> None:
        """Everything else keeps its weights."""
        self.requires_grad_(False)
        self.wav2vec2.feature_extractor.requires_grad_(True)
        self.wav2vec2.feature_projection.layer_norm.requires_grad_(True)

    def forward(self, waveform: Tensor) -> Tensor:  # type: ignore[override]
        """Squared error of each frame (B, T), mean over the bands: the latents' first channels are to be the bands."""
        wanted = log_mel(waveform, self.wav2vec2.config)
        latents = self.wav2vec2.feature_projection.layer_norm(self.wav2vec2.encode_features(waveform))
        errors: Tensor = latents[..., :SPECTRUM_BANDS].float() - wanted
        return errors.square().mean(dim=-1)
