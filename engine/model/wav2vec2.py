"""The network that pre-training and CTC share: feature encoder, projection, masks, context network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.config import DropoutConfig, ModelConfig
from engine.model.context_network import ContextNetwork
from engine.model.cpu.dropout import drop
from engine.model.feature_encoder import FeatureEncoder, ScaleGradient


class FeatureProjection(nn.Module):
    """LayerNorm over the latents' channels, then a Linear into the Transformer's width."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.conv_channels[-1])
        self.projection = nn.Linear(config.conv_channels[-1], config.embed_dim)


@dataclass
class Contexts:
    """Everything a head needs, (B, T, ·).

    `features` are the convolutions' raw output (C channels), `latents` the same after the layer norm and never masked,
    `contexts` the Transformer's output (D channels); `frame_lengths` (B,) are valid frames.
    """

    features: Tensor
    latents: Tensor
    contexts: Tensor
    frame_lengths: Tensor


def valid_frames(frame_lengths: Tensor, frames: int) -> Tensor:
    """(B, frames), True at valid frames. A row without any keeps its first, as attention needs a key."""
    return torch.arange(frames, device=frame_lengths.device)[None, :] < frame_lengths.clamp(min=1)[:, None]


class Wav2Vec2(nn.Module):
    """Waveform to contexts."""

    def __init__(self, config: ModelConfig, dropout: DropoutConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout_input = dropout.input
        self.feature_extractor = FeatureEncoder(config)
        self.feature_projection = FeatureProjection(config)
        self.masked_spec_embed = nn.Parameter(torch.empty(config.embed_dim).uniform_())
        self.encoder = ContextNetwork(config, dropout)

    def normalize(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Zero mean and unit variance over each row's valid samples where the model asks for it (section 2)."""
        if not self.config.normalize_waveform:
            return waveform
        if lengths is None:
            return F.layer_norm(waveform, waveform.shape[-1:])
        valid = (torch.arange(waveform.shape[1], device=waveform.device)[None, :] < lengths[:, None]).float()
        count = lengths.clamp(min=1)[:, None]
        mean = (waveform * valid).sum(1, keepdim=True) / count
        variance = ((waveform - mean).square() * valid).sum(1, keepdim=True) / count
        return (waveform - mean) / torch.sqrt(variance + 1e-5) * valid

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Valid frames for (B,) valid samples: the convolutions' own rule; 0 below the receptive field."""
        frames = lengths
        for kernel, stride in zip(self.config.conv_kernels, self.config.conv_strides, strict=True):
            frames = torch.div(frames - kernel, stride, rounding_mode="floor") + 1
        return frames.clamp(min=0)

    def encode_features(self, waveform: Tensor, lengths: Tensor | None = None, grad_mult: float = 1.0) -> Tensor:
        """(B, N) to raw features (B, T, C). Their gradient is scaled by `grad_mult`; 0 runs without gradient."""
        waveform = self.normalize(waveform, lengths)
        if grad_mult == 0:
            with torch.no_grad():
                frozen: Tensor = self.feature_extractor(waveform)
            return frozen
        features: Tensor = self.feature_extractor(waveform)
        if grad_mult != 1 and torch.is_grad_enabled():
            features = ScaleGradient.apply(features, grad_mult)  # type: ignore[no-untyped-call]
        return features

    def contextualize(
        self,
        latents: Tensor,
        frame_lengths: Tensor | None = None,
        time_mask: Tensor | None = None,
        channel_mask: Tensor | None = None,
    ) -> Tensor:
        """Latents (B, T, C) to contexts (B, T, D).

        Where `time_mask` (B, T) is True the learned embedding replaces the frame; where `channel_mask` (B, D) is True
        a channel is zero. Frames at or beyond `frame_lengths` (B,) are padding; None means there is none.
        """
        x: Tensor = self.feature_projection.projection(latents)
        x = drop(x, self.dropout_input, self.training)
        if time_mask is not None:
            x = torch.where(time_mask[:, :, None], self.masked_spec_embed.to(x.dtype), x)
        if channel_mask is not None:
            x = x * (~channel_mask)[:, None, :].to(x.dtype)
        frame_mask = None if frame_lengths is None else valid_frames(frame_lengths, x.shape[1])
        contexts: Tensor = self.encoder(x, frame_mask)
        return contexts

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        time_mask: Tensor | None = None,
        channel_mask: Tensor | None = None,
        grad_mult: float = 1.0,
    ) -> Contexts:
        """Waveform (B, N), float32 in -1 to 1, with (B,) valid samples; None means that rows are full."""
        features = self.encode_features(waveform, lengths, grad_mult)
        latents = self.feature_projection.layer_norm(features)
        if lengths is None:
            frame_lengths = torch.full((len(waveform),), features.shape[1], device=waveform.device)
            contexts = self.contextualize(latents, None, time_mask, channel_mask)
        else:
            frame_lengths = self.frame_lengths(lengths)
            contexts = self.contextualize(latents, frame_lengths, time_mask, channel_mask)
        return Contexts(features, latents, contexts, frame_lengths)
