"""AdamW and the learning-rate schedules (reference sections 14 and 15)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from engine.config import OptimizerConfig
from engine.training.parallel import local_value

TRI_STAGE_FIRST = 0.01
TRI_STAGE_LAST = 0.05
"""Shares of the peak at the first update and at the last (section 15)."""


def learning_rate(done: float, updates: float, config: OptimizerConfig) -> float:
    """The rate after `done` of `updates` updates; fractions are fine, for schedules that follow the clock."""
    warmup = config.warmup * updates
    first = TRI_STAGE_FIRST if config.schedule == "tri_stage" else 0.0
    if done < warmup:
        return config.peak_lr * (first + (1 - first) * done / warmup)
    if config.schedule == "constant":
        return config.peak_lr
    if config.schedule == "polynomial":
        left = updates - warmup
        return config.peak_lr * max(0.0, 1 - (done - warmup) / left) if left > 0 else config.peak_lr
    decay = updates * (1 - config.warmup - config.hold)
    into = done - warmup - config.hold * updates
    if into <= 0:
        return config.peak_lr
    share = min(1.0, into / decay) if decay > 0 else 1.0
    return config.peak_lr * math.exp(math.log(TRI_STAGE_LAST) * share)


def build_optimizer(model: nn.Module, config: OptimizerConfig, device: torch.device) -> torch.optim.AdamW:
    """Decoupled weight decay on all parameters, as the authors have it. What has no gradient is left as it is."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=config.peak_lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=device.type in ("cuda", "cpu"),  # one pass over weights and averages, without copies of them
    )


def divide_gradients(parameters: Iterable[Tensor], count: float) -> list[Tensor]:
    """Divide all gradients by `count`, in place; they are returned."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    torch._foreach_mul_(gradients, 1.0 / count)
    return gradients


def clip_gradients(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """The norm over all gradients (0-d); above `limit` they are scaled down to it. 0 only measures."""
    return local_value(nn.utils.clip_grad_norm_(list(parameters), limit if limit > 0 else math.inf))
