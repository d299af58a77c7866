"""Dropout from whole random words instead of one draw a number.

torch on a CPU draws each keep-or-drop in a serial Bernoulli; on BASE with its dropouts of 0.1 that was 0.85 s of each
update of 2 x 10 s. Here 16 bits of the same generator decide for each number: 0.12 s. A probability is rounded to the
next of 65,536 steps.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.model.cpu.choice import is_mixed_on_cpu, suits_cpu

STEPS = 65536
LANES = 4
"""16-bit lanes of a random word."""


def keep_mask(shape: tuple[int, ...], probability: float) -> Tensor:
    """uint8 of `shape`: 0 with `probability`, else 1, from torch's own generator."""
    count = math.prod(shape)
    words = torch.empty(-(-count // LANES), dtype=torch.int64).random_(-(2**63), None)
    threshold = round(probability * STEPS) - STEPS // 2
    return words.view(torch.int16)[:count].ge(threshold).view(torch.uint8).view(shape)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        keep = keep_mask(tuple(x.shape), probability)
        ctx.save_for_backward(keep)
        ctx.scale = 1 / (1 - probability)
        return x.mul(keep).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (keep,) = ctx.saved_tensors
        return gradients[0].mul(keep).mul_(ctx.scale), None


def drop(x: Tensor, probability: float, training: bool) -> Tensor:
    """What `torch.nn.functional.dropout` does, quickly on a CPU."""
    if training and 0 < probability < 1 and (suits_cpu(x) or is_mixed_on_cpu(x)):
        y: Tensor = _Dropout.apply(x, probability)  # type: ignore[no-untyped-call]
        return y
    return F.dropout(x, probability, training)
