"""Attention with dropout on its probabilities, one head of one row at a time.

torch's fused attention for a CPU knows no dropout; what it falls back to writes the (B, heads, T, T) probabilities of
a layer several times to memory and keeps three copies for the backward pass (70 MB a layer for two rows of 10 s). One
head's table (1 MB at 10 s) stays in the cache from the first product to the last; only the drop decisions are kept, and
backward computes the probabilities again.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.model.cpu.dropout import keep_mask
from engine.model.cpu.shares import in_shares


def _probabilities(q: Tensor, k: Tensor, hidden: Tensor | None, scores: Tensor, out: Tensor) -> Tensor:
    """Softmax of scaled q k^T, (T, T), in `out`; `scores` is scratch; `hidden` (T,) is added to the keys' scores."""
    torch.addmm(scores, q, k.t(), beta=0, alpha=1 / math.sqrt(q.shape[1]), out=scores)
    if hidden is not None:
        scores.add_(hidden)
    return torch.softmax(scores, dim=-1, out=out)


class DroppedAttention(torch.autograd.Function):
    """Queries, keys and values (B, T, D) of `heads` heads side by side to their mixture (B, T, D)."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None, heads: int, probability: float
    ) -> Tensor:
        """`key_mask` (B, T) is True where a key may be seen; `probability` of a dropped weight is below 1."""
        batch, frames, width = q.shape
        hidden = None
        if key_mask is not None:
            hidden = q.new_zeros(batch, frames).masked_fill_(~key_mask, -math.inf)
        keep = keep_mask((batch, heads, frames, frames), probability)
        mixed, size, scale = torch.empty_like(q), width // heads, 1 / (1 - probability)

        def mix(units: range) -> None:
            scores, weights = q.new_empty(2, frames, frames)
            for unit in units:
                row, head = divmod(unit, heads)
                part = (row, slice(None), slice(head * size, (head + 1) * size))
                _probabilities(q[part], k[part], None if hidden is None else hidden[row], scores, weights)
                weights.mul_(keep[row, head])
                torch.addmm(mixed[part], weights, v[part], beta=0, alpha=scale, out=mixed[part])

        in_shares(batch * heads, mix)
        ctx.save_for_backward(q, k, v, mixed, keep, hidden)
        ctx.heads, ctx.scale = heads, scale
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys and values."""
        q, k, v, mixed, keep, hidden = ctx.saved_tensors
        gradient, heads, scale = gradients[0].contiguous(), ctx.heads, ctx.scale
        batch, frames, width = q.shape
        d_q, d_k, d_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        size = width // heads
        inner = 1 / math.sqrt(size)

        def unmix(units: range) -> None:
            scores, weights, dropped = q.new_empty(3, frames, frames)
            for unit in units:
                row, head = divmod(unit, heads)
                part = (row, slice(None), slice(head * size, (head + 1) * size))
                _probabilities(q[part], k[part], None if hidden is None else hidden[row], scores, weights)
                torch.mul(weights, keep[row, head], out=dropped)
                torch.addmm(d_v[part], dropped.t(), gradient[part], beta=0, alpha=scale, out=d_v[part])
                d_scores = torch.addmm(scores, gradient[part], v[part].t(), beta=0, alpha=scale, out=scores)
                # sum_j P_ij dP_ij, which the softmax's gradient needs, is also the output times its gradient.
                shift = (gradient[part] * mixed[part]).sum(dim=1, keepdim=True)
                d_scores.mul_(keep[row, head]).sub_(shift).mul_(weights)
                torch.addmm(d_q[part], d_scores, k[part], beta=0, alpha=inner, out=d_q[part])
                torch.addmm(d_k[part], d_scores.t(), q[part], beta=0, alpha=inner, out=d_k[part])

        in_shares(batch * heads, unmix)
        return d_q, d_k, d_v, None, None, None


def attend_in_products(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
    """Attention (B, heads, T, D) of two matrix products, for mixed precision; `key_mask` is True at keys to be seen.

    torch's fused attention for a CPU took four times as long in bfloat16 on a processor with matrix units (AMX), and a
    quarter of an update. The softmax is float32.
    """
    scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-1, -2)
    if key_mask is not None:
        scores = scores.masked_fill(~key_mask, -math.inf)
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype) @ v
