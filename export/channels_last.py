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

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C_in) to (B, T', C_out); T must be kernel + (T' - 1) * stride: nothing may be left over."""
        rows, whole = (x.shape[1] - self.kernel) // self.stride + 1, self.kernel // self.stride
        views = []
        for start in range(0, whole * self.stride, self.stride):
            block = x if self.kernel == self.stride else x[:, start : start + rows * self.stride]
            views.append(block.reshape(x.shape[0], rows, self.stride * self.channels))
        views += [x[:, tap :: self.stride] for tap in range(whole * self.stride, self.kernel)]
        if self.channels == 1:
            views = [torch.cat(views, dim=-1)]
        y = views[0] @ self.weights[0]
        for view, weight in zip(views[1:], self.weights[1:], strict=True):
            y = y + view @ weight
        if self.bias is not None:  # last: before them, ONNX Runtime would fuse sum and norm into a slower operation
            y = y + self.bias
        return F.gelu(y if self.norm is None else self.norm(y))


class ChannelsLastEncoder(nn.Module):
    """The stack; gives what `FeatureEncoder` gives for whole frames. Not for group norm, which goes over time."""

    def __init__(self, encoder: FeatureEncoder) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ChannelsLastBlock(cast(ConvBlock, block)) for block in encoder.conv_layers))

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, samples) to (B, frames, C); samples must be the receptive field and whole strides."""
        features: Tensor = self.blocks(waveform[..., None])
        return features
