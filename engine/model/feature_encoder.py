"""Waveform to latents: seven convolutions, 25 ms seen every 20 ms (paper section 2, feature encoder).

layer      0   1  2  3  4  5  6        frame t sees samples [320 t, 320 t + 400)
kernel    10   3  3  3  3  2  2        frames = floor((samples - 400) / 320) + 1
stride     5   2  2  2  2  2  2
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.config import ModelConfig
from engine.model.cpu.choice import is_mixed_on_cpu, suits_cpu
from engine.model.cpu.feature_block import BlockNorm, NormGeluConvolution
from engine.model.cpu.wave_convolution import WaveConvolution


class ConvBlock(nn.Module):
    """Convolution, norm, GELU. `norm` is layer (over channels), group (over time, one group a channel) or none."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, bias: bool, norm: str) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, kernel, stride, bias=bias)
        nn.init.kaiming_normal_(self.conv.weight)
        self.stride = stride
        self.layer_norm: nn.Module | None = None
        if norm == "layer":
            self.layer_norm = nn.LayerNorm(channels_out)
        elif norm == "group":
            self.layer_norm = nn.GroupNorm(channels_out, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, 1, T) to (B, C_out, 1, T').

        The height of 1 lets the tensors lie channels-last in memory: norms over channels then need no transposition.
        """
        weight = self.conv.weight[:, :, None, :].contiguous(memory_format=torch.channels_last)
        x = F.conv2d(x, weight, self.conv.bias, stride=(1, self.stride))
        if isinstance(self.layer_norm, nn.LayerNorm):
            # Norms run in float32 and cast back under mixed precision (reference section 3).
            channels_last = x.permute(0, 2, 3, 1)
            x = self.layer_norm(channels_last.float()).to(x.dtype).permute(0, 3, 1, 2)
        elif self.layer_norm is not None:
            x = self.layer_norm(x.float()).to(x.dtype)
        return F.gelu(x)

    def block_norm(self) -> tuple[BlockNorm, Tensor | None, Tensor | None] | None:
        """Kind, gain and offset of the norm, for `NormGeluConvolution`; None for a norm that it does not know."""
        norm = self.layer_norm
        if norm is None:
            return BlockNorm("none"), None, None
        if isinstance(norm, nn.LayerNorm):
            return BlockNorm("layer", norm.eps), norm.weight, norm.bias
        if isinstance(norm, nn.GroupNorm) and norm.num_groups == norm.num_channels:
            return BlockNorm("group", norm.eps), norm.weight, norm.bias
        return None


class FeatureEncoder(nn.Module):
    """The stack of convolutions."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        norms = ["layer" if config.feature_norm == "layer" else "none"] * len(config.conv_channels)
        if config.feature_norm == "group":
            norms[0] = "group"
        widths = (1, *config.conv_channels)
        self.conv_layers = nn.ModuleList(
            ConvBlock(widths[place], widths[place + 1], kernel, stride, config.conv_bias, norms[place])
            for place, (kernel, stride) in enumerate(zip(config.conv_kernels, config.conv_strides, strict=True))
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, samples) to (B, frames, C). Raises RuntimeError for less than one receptive field of samples."""
        if is_mixed_on_cpu(waveform):
            # 16 bits are no quicker here, and oneDNN makes code anew for each length.
            with torch.autocast("cpu", enabled=False):
                exact: Tensor = self(waveform.float())
            return exact
        if suits_cpu(waveform) and all(block.block_norm() is not None for block in self._blocks()):
            return self._in_pieces(waveform)
        x = waveform[:, None, None, :]
        for block in self.conv_layers:
            x = block(x)
        return x[:, :, 0].transpose(1, 2)

    def _blocks(self) -> Iterator[ConvBlock]:
        for block in self.conv_layers:
            assert isinstance(block, ConvBlock)
            yield block

    def _in_pieces(self, waveform: Tensor) -> Tensor:
        """The same on a CPU: each block's norm and GELU are computed together with the convolution after them."""
        first, *others = self._blocks()
        x: Tensor = WaveConvolution.apply(waveform, first.conv.weight, first.conv.bias, first.stride)  # type: ignore[no-untyped-call]
        before = first
        for block in others:
            norm, gain, offset = before.block_norm() or (BlockNorm("none"), None, None)
            x = NormGeluConvolution.apply(x, block.conv.weight, block.conv.bias, gain, offset, norm, block.stride)  # type: ignore[no-untyped-call]
            before = block
        if isinstance(before.layer_norm, nn.GroupNorm):
            return F.gelu(before.layer_norm(x.transpose(1, 2)).transpose(1, 2))
        return F.gelu(x if before.layer_norm is None else before.layer_norm(x))


class ScaleGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by `factor` (fairseq's GradMultiply)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        """Pass x on."""
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Scale the gradient."""
        return gradients[0] * ctx.factor, None
