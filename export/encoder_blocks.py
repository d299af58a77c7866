"""The convolutions of the feature encoder, rearranged so that ONNX Runtime runs them fast; same results.

docs/decisions/0004 has what each arrangement gains.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.model.feature_encoder import ConvBlock, FeatureEncoder


def rearranged(encoder: FeatureEncoder) -> nn.Module:
    """A module that gives what `encoder` gives: waveform (B, N) to features (B, T, C)."""
    return RearrangedEncoder(encoder)


class RearrangedEncoder(nn.Module):
    """The stack with each block replaced by the form that suits its norm."""

    def __init__(self, encoder: FeatureEncoder) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_fast(block) for block in encoder.conv_layers)  # type: ignore[arg-type]

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) to (B, T, C)."""
        x = waveform[:, None, None, :]
        for block in self.blocks:
            x = block(x)
        return x[:, :, 0].transpose(1, 2)


def _fast(block: ConvBlock) -> nn.Module:
    if isinstance(block.layer_norm, nn.GroupNorm):
        return TimeNormBlock(block)
    return ChannelNormBlock(block) if isinstance(block.layer_norm, nn.LayerNorm) else block


class ChannelNormBlock(nn.Module):
    """Convolution, layer norm, GELU with both of the latter channels-last.

    With the GELU behind the transposition back, ONNX Runtime runs that transposition on its own, slower than the GELU
    and the norm together; in front of it, it becomes part of the convolution's own change of layout.
    """

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        self.conv, self.stride, self.norm = block.conv, block.stride, block.layer_norm

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, 1, T) to (B, C_out, 1, T')."""
        x = F.conv2d(x, self.conv.weight[:, :, None, :], self.conv.bias, stride=(1, self.stride))
        assert self.norm is not None
        return F.gelu(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class TimeNormBlock(nn.Module):
    """The first convolution with its norm over time (one group a channel) multiplied into the kernel, and GELU.

    Mean and variance over time of w · x, for windows x of the waveform, are w · mean(x) and w' cov(x) w: the moments of
    a few inputs replace four passes over C times as many outputs. They are summed in float64, as ONNX Runtime's
    float32 sums over tens of thousands of steps cost two digits in rows with long silences. A bias of the convolution
    would fall out with the mean.
    """

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        norm = block.layer_norm
        assert isinstance(norm, nn.GroupNorm)
        if norm.num_groups != norm.num_channels:
            raise ValueError(f"a group norm of {norm.num_groups} groups over {norm.num_channels} channels is not one")
        self.gain, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.stride = block.stride
        self.kernel = nn.Parameter(block.conv.weight.detach().flatten(1))
        self.register_buffer("taps", torch.eye(self.kernel.shape[1])[:, None, None, :])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 1, N) to (B, C, 1, T)."""
        windows = F.conv2d(x, self.taps, stride=(1, self.stride))[:, :, 0].double()  # type: ignore[arg-type]
        centred = windows - windows.mean(dim=-1, keepdim=True)
        covariance = centred @ centred.transpose(1, 2) / centred.shape[-1]
        kernel = self.kernel.double()
        variance = ((kernel @ covariance) * kernel).sum(dim=-1)
        scale = self.gain / torch.sqrt(variance + self.eps)
        folded = (kernel * scale[:, :, None]).float()
        # The bias rides along as the weight of an input that is always 1.
        weights = torch.cat((folded, self.bias[:, None].expand_as(folded[:, :, :1])), dim=-1)
        inputs = centred.float()
        inputs = torch.cat((inputs, torch.ones_like(inputs[:, :1])), dim=1)
        return F.gelu(weights @ inputs)[:, :, None, :]
