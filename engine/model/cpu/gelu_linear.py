"""GELU, dropout and a Linear as one step that keeps the numbers before the GELU only: 12 MB less a layer of BASE."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.model.cpu.dropout import keep_mask

_gelu_backward = torch.ops.aten.gelu_backward


class GeluLinear(torch.autograd.Function):
    """x (B, T, F), weight (D, F), bias (D,) to (B, T, D); the GELU's output is dropped with `probability`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, probability: float) -> Tensor:
        """`probability` is at least 0 and below 1."""
        keep = keep_mask(tuple(x.shape), probability) if probability > 0 else None
        ctx.save_for_backward(x, weight, keep)
        ctx.scale = 1 / (1 - probability)
        return F.linear(GeluLinear._active(x, keep, ctx.scale), weight, bias)

    @staticmethod
    def _active(x: Tensor, keep: Tensor | None, scale: float) -> Tensor:
        active = F.gelu(x)
        return active if keep is None else active.mul_(keep).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of x, weight and bias."""
        x, weight, keep = ctx.saved_tensors
        gradient = gradients[0].flatten(0, -2)
        active = GeluLinear._active(x, keep, ctx.scale)
        d_weight = gradient.t() @ active.flatten(0, -2)
        d_active = torch.mm(gradient, weight, out=active.flatten(0, -2)).view_as(x)
        if keep is not None:
            d_active.mul_(keep).mul_(ctx.scale)
        return _gelu_backward.grad_input(d_active, x, grad_input=d_active), d_weight, gradient.sum(dim=0), None
