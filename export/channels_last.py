"""The feature encoder as matrix products over (batch, time, channels): the same sums, in the order ONNX Runtime likes.

A convolution with a layer norm over channels behind it costs ONNX Runtime two transpositions a layer, a third of the
time of a small encoder. With channels last a stride-s convolution is a product over rows of s inputs laid side by side,
which is a reshape, and the norm finds its channels where it wants them.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.model.feature_encoder import ConvBlock, FeatureEncoder


class ChannelsLastBlock(nn.Module):
    """One convolution, its norm over channels, GELU."""

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        channels_out, self.channels, self.kernel = block.conv.weight.shape
        self.stride = block.stride
        taps = block.conv.weight.detach().permute(2, 1, 0)
        whole = self.kernel // self.stride * self.stride
        pieces = [taps[at : at + self.stride] for at in range(0, whole, self.stride)]
        pieces += [taps[at : at + 1] for at in range(whole, self.kernel)]
        if self.channels == 1:  # one product over the whole kernel: its inputs are few enough to be copied
            pieces = [taps]
        self.weights = nn.ParameterList(
            nn.Parameter(piece.reshape(-1, channels_out).contiguous(), requires_grad=False) for piece in pieces
        )
        self.bias = block.conv.bias
        self.norm = block.layer_norm

    def rows_in(self, rows: int) -> int:
        """Least inputs that give `rows` outputs."""
        return (rows - 1) * self.stride + self.kernel

    def forward(self, x: Tensor, rows: int) -> Tensor:
        """(B, rows_in(rows), C_in) to (B, rows, C_out)."""
        batch, whole = x.shape[0], self.kernel // self.stride
        views = []
        for place in range(whole):
            start = place * self.stride
            block = x if self.kernel == self.stride else x[:, start : start + rows * self.stride]
            views.append(block.reshape(batch, rows, self.stride * self.channels))
        views += [x[:, tap :: self.stride][:, :rows] for tap in range(whole * self.stride, self.kernel)]
        if self.channels == 1:
            views = [torch.cat(views, dim=-1)]
        y = views[0] @ self.weights[0]
        for view, weight in zip(views[1:], self.weights[1:], strict=True):
            y = y + view @ weight
        if self.bias is not None:  # last: before them, ONNX Runtime would fuse sum and norm into a slower operation
            y = y + self.bias
        return F.gelu(y if self.norm is None else self.norm(y))


class ChannelsLastEncoder(nn.Module):
    """The stack; gives what `FeatureEncoder` gives. Not for group norm, which goes over time."""

    def __init__(self, encoder: FeatureEncoder) -> None:
        super().__init__()
        blocks = [ChannelsLastBlock(cast(ConvBlock, block)) for block in encoder.conv_layers]
        self.blocks = nn.ModuleList(blocks)
        self.stride, self.field = 1, 1
        for block in blocks:
            self.field += (block.kernel - 1) * self.stride
            self.stride *= block.stride

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, samples) to (B, frames, C)."""
        frames = (waveform.shape[1] - self.field) // self.stride + 1
        blocks = [cast(ChannelsLastBlock, block) for block in self.blocks]
        rows = [frames]
        for block in reversed(blocks[1:]):
            rows.insert(0, block.rows_in(rows[0]))
        # Samples beyond the last whole frame go first, so that no layer has a remainder to cut off.
        x = waveform[:, : (frames - 1) * self.stride + self.field, None]
        for block, count in zip(blocks, rows, strict=True):
            x = block(x, count)
        return x
