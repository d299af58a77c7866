"""Latents to contexts: convolutional positions and a Transformer (paper section 2; reference sections 5 and 6)."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from engine.config import DropoutConfig, ModelConfig
from engine.model.cpu import positions
from engine.model.cpu.attention import DroppedAttention, attend_in_products
from engine.model.cpu.choice import is_mixed_on_cpu, suits_cpu
from engine.model.cpu.dropout import drop
from engine.model.cpu.gelu_linear import GeluLinear


class PositionalConvolution(nn.Module):
    """Relative positions: a grouped convolution over time whose output, after GELU, is added to its input.

    With the even kernel K and padding K/2 the last output step is dropped: t sees inputs t - K/2 ... t + K/2 - 1.
    Weight norm over dim 2: one gain for each tap.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, kernel = config.embed_dim, config.position_kernel
        self.conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=config.position_groups)
        nn.init.normal_(self.conv.weight, std=math.sqrt(4 / (kernel * width)))
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        parametrizations.weight_norm(self.conv, dim=2)
        self._drop = 1 if kernel % 2 == 0 else 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D): what is to be added to x."""
        conv = self.conv
        if is_mixed_on_cpu(x):
            # oneDNN's 16-bit convolution in groups gives wrong numbers on processors with AMX (torch 2.11).
            with torch.autocast("cpu", enabled=False):
                exact: Tensor = self(x.float())
            return exact
        if suits_cpu(x) and positions.divides(conv.kernel_size[0]):
            return F.gelu(positions.PositionSums.apply(x, conv.weight, conv.bias, conv.groups))  # type: ignore[no-untyped-call]
        y = self.conv(x.transpose(1, 2))
        if self._drop:
            y = y[:, :, : -self._drop]
        return F.gelu(y).transpose(1, 2)


class SelfAttention(nn.Module):
    """Full attention with separate projections, all with bias; padded keys are left out."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        width = config.embed_dim
        self.heads, self.dropout = config.heads, dropout
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, key_mask: Tensor | None) -> Tensor:
        """(B, T, D); `key_mask` (B, 1, 1, T) is True where a key may be seen."""
        batch, frames, width = x.shape
        projected = [projection(x) for projection in (self.q_proj, self.k_proj, self.v_proj)]
        probability = self.dropout if self.training else 0.0
        if 0 < probability < 1 and suits_cpu(x):
            keys = None if key_mask is None else key_mask[:, 0, 0]
            y = DroppedAttention.apply(*projected, keys, self.heads, probability)  # type: ignore[no-untyped-call]
        else:
            q, k, v = (part.view(batch, frames, self.heads, width // self.heads).transpose(1, 2) for part in projected)
            if is_mixed_on_cpu(x) and probability == 0:
                y = attend_in_products(q, k, v, key_mask)
            else:
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask, dropout_p=probability)
            y = y.transpose(1, 2).reshape(batch, frames, width)
        mixed: Tensor = self.out_proj(y)
        return mixed


class FeedForward(nn.Module):
    """Linear, GELU, dropout, Linear."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(config.embed_dim, config.ffn_dim)
        self.output_dense = nn.Linear(config.ffn_dim, config.embed_dim)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        hidden, last = self.intermediate_dense(x), self.output_dense
        if self.training and self.dropout < 1 and torch.is_grad_enabled() and suits_cpu(hidden):
            mixed: Tensor = GeluLinear.apply(hidden, last.weight, last.bias, self.dropout)  # type: ignore[no-untyped-call]
            return mixed
        return cast(Tensor, last(F.dropout(F.gelu(hidden), self.dropout, self.training)))


class LanguageAdapter(nn.Module):
    """What MMS adds to each layer for a language (arXiv 2305.13516): norm, narrow Linear, ReLU, Linear."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear_1 = nn.Linear(width, inner)
        self.linear_2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D): what is to be added to x."""
        added: Tensor = self.linear_2(F.relu(self.linear_1(self.norm(x))))
        return added


class EncoderLayer(nn.Module):
    """Attention and feed-forward with residuals; the norm stands before (pre-LN) or after (post-LN) each."""

    def __init__(self, config: ModelConfig, dropout: DropoutConfig) -> None:
        super().__init__()
        self.layer_norm_first = config.layer_norm_first
        self.dropout = dropout.dropout
        self.attention = SelfAttention(config, dropout.attention)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.feed_forward = FeedForward(config, dropout.activation)
        self.final_layer_norm = nn.LayerNorm(config.embed_dim)
        self.adapter_layer = LanguageAdapter(config.embed_dim, config.adapter_dim) if config.adapter_dim else None

    def forward(self, x: Tensor, key_mask: Tensor | None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        if self.layer_norm_first:
            x = x + self._drop(self.attention(self.layer_norm(x), key_mask))
            x = x + self._drop(self.feed_forward(self.final_layer_norm(x)))
            return x if self.adapter_layer is None else x + self.adapter_layer(x)
        x = self.layer_norm(x + self._drop(self.attention(x, key_mask)))
        y: Tensor = self.final_layer_norm(x + self._drop(self.feed_forward(x)))
        return y

    def _drop(self, x: Tensor) -> Tensor:
        return drop(x, self.dropout, self.training)


class ContextNetwork(nn.Module):
    """Positions, then the layers. The stand-alone norm is at the entry (post-LN) or at the end (pre-LN).

    `checkpoint_activations` keeps only each layer's input for the backward pass and computes the rest again then.
    `layerdrop_generator` draws which layers are skipped in training; None takes torch's own generator. One seeded alike
    in all processes makes them skip the same layers.
    """

    def __init__(self, config: ModelConfig, dropout: DropoutConfig) -> None:
        super().__init__()
        self.layer_norm_first = config.layer_norm_first
        self.dropout, self.layerdrop = dropout.dropout, dropout.layerdrop
        self.checkpoint_activations = False
        self.layerdrop_generator: torch.Generator | None = None
        self.pos_conv_embed = PositionalConvolution(config)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        self.layers = nn.ModuleList(EncoderLayer(config, dropout) for _ in range(config.layers))
        for layer in self.layers:
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=0.02)
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, frame_mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D). `frame_mask` (B, T) is True at valid frames; None means all are."""
        key_mask = None
        if frame_mask is not None:
            x = x * frame_mask[:, :, None].to(x.dtype)
            key_mask = frame_mask[:, None, None, :]
        x = x + self.pos_conv_embed(x)
        if not self.layer_norm_first:
            x = self.layer_norm(x)
        x = drop(x, self.dropout, self.training)
        for layer in self.layers:
            # No random call in evaluation: the exporter sees a plain loop.
            if self.training and self.layerdrop > 0 and self._draw() < self.layerdrop:
                continue
            if self.checkpoint_activations and self.training and torch.is_grad_enabled():
                x = checkpoint(layer, x, key_mask, use_reentrant=False)
            else:
                x = layer(x, key_mask)
        return self.layer_norm(x) if self.layer_norm_first else x

    def _draw(self) -> float:
        return float(torch.rand((), generator=self.layerdrop_generator))
