"""Latents to contexts and logits, rearranged so that ONNX Runtime runs it fast; same results as the model.

docs/decisions/0004 has what each arrangement gains.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.model.context_network import PositionalConvolution, SelfAttention
from engine.model.ctc import CtcModel
from engine.model.wav2vec2 import valid_frames

HIDDEN = -3e4
"""Added to scores of padded keys before their scale: their share underflows to exactly 0. float16 holds it."""

EXTRA_CHANNELS = 4
"""Added to each head's width for the padding; one would do, but odd widths are slow."""


class PaddingAwareAttention(nn.Module):
    """Gives what `SelfAttention` gives in evaluation, without a pass over the scores for the mask.

    Each head has a few more channels: the query's next is always 1, the key's is 0, or HIDDEN where the key is
    padding, so the product adds it to the score. A key's bias adds the same to all scores of a query, which the
    softmax removes; a value's bias passes through the shares, which sum to 1, into the output's bias. The scale stays
    out of the query's weights, which then are exact where they are stored in 16 bits; ONNX Runtime takes it into the
    product of queries and keys.
    """

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.heads = attention.heads
        width = attention.q_proj.in_features
        size = width // self.heads
        self.scale = size**-0.5
        query = self._widened(attention.q_proj.weight)
        self.query = nn.Linear(width, len(query))
        self.key = nn.Linear(width, len(query), bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        bias = self._widened(attention.q_proj.bias).view(self.heads, -1)
        bias[:, size] = 1.0
        with torch.no_grad():
            self.query.weight.copy_(query)
            self.query.bias.copy_(bias.flatten())
            self.key.weight.copy_(self._widened(attention.k_proj.weight))
            self.value.weight.copy_(attention.v_proj.weight)
            self.out.weight.copy_(attention.out_proj.weight)
            passed = attention.out_proj.weight.double() @ attention.v_proj.bias.double()
            self.out.bias.copy_(attention.out_proj.bias + passed.float())

    def _widened(self, weight: Tensor) -> Tensor:
        """Rows of each head followed by EXTRA_CHANNELS rows of zeros."""
        rows: Tensor = weight.detach().unflatten(0, (self.heads, -1))  # type: ignore[no-untyped-call]
        return F.pad(rows, (0, 0) * (rows.ndim - 2) + (0, EXTRA_CHANNELS)).flatten(0, 1)

    def forward(self, x: Tensor, key_padding: Tensor) -> Tensor:
        """(B, T, D); `key_padding` (B, T, 1, channels of a key)."""
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = (self.key(x).unflatten(-1, (self.heads, -1)) + key_padding).permute(0, 2, 3, 1)
        v = self.value(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed: Tensor = self.out((((q @ k) * self.scale).softmax(dim=-1) @ v).transpose(1, 2).flatten(2))
        return mixed


class Positions(nn.Module):
    """The positional convolution as a two-dimensional one of height 1, which ONNX Runtime has a faster kernel for."""

    def __init__(self, positions: PositionalConvolution) -> None:
        super().__init__()
        conv = positions.conv
        self.weight = nn.Parameter(conv.weight.detach()[:, :, None, :])
        self.bias = nn.Parameter(cast(Tensor, conv.bias).detach())
        self.kernel, self.groups = conv.kernel_size[0], conv.groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D): what is to be added to x."""
        frames = x.shape[1]
        y = F.conv2d(x.mT[:, :, None, :], self.weight, self.bias, padding=(0, self.kernel // 2), groups=self.groups)
        return F.gelu(y[:, :, 0, :frames].mT)


class ContextGraph(nn.Module):
    """Latents to contexts and logits, of a model whose weight norm is folded."""

    def __init__(self, model: CtcModel) -> None:
        super().__init__()
        backbone = model.backbone
        self.projection = backbone.feature_projection.projection
        self.masked = backbone.masked_spec_embed
        self.positions = Positions(backbone.encoder.pos_conv_embed)
        self.layer_norm_first = backbone.encoder.layer_norm_first
        self.layer_norm = backbone.encoder.layer_norm
        self.layers = copy.deepcopy(backbone.encoder.layers)
        for layer in self.layers:
            layer.attention = PaddingAwareAttention(layer.attention)  # type: ignore[arg-type]
        self.head_channels = backbone.config.embed_dim // backbone.config.heads
        self.head = model.head

    def forward(self, latents: Tensor, time_mask: Tensor, frame_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), (B, T) True where masked, (B,) valid frames to contexts (B, T, D) and logits (B, T, tokens)."""
        valid = valid_frames(frame_lengths, latents.shape[1]).to(latents.dtype)[:, :, None]
        padding = F.pad((1.0 - valid) * HIDDEN, (self.head_channels, EXTRA_CHANNELS - 1))[:, :, None, :]
        x = torch.where(time_mask[:, :, None], self.masked, self.projection(latents)) * valid
        x = x + self.positions(x)
        if not self.layer_norm_first:
            x = self.layer_norm(x)
        for layer in self.layers:
            x = layer(x, padding)
        contexts = self.layer_norm(x) if self.layer_norm_first else x
        return contexts, self.head(contexts)
