"""The convolutional positions of a CPU: two steps of few taps instead of one of 128.

With kernel K = near * far, out[t] = sum over a < far of z_a[t + a * near] and z_a[t] = sum over b < near of
W[a, b] x[t + b].
The inner sum is one matrix product for all a together, over windows of `near` frames instead of K; the outer one adds
`far` shifted pieces. oneDNN copies windows of all 128 taps and multiplies them by 48 columns only; this copies an
eighth and multiplies by `far * 48`. Measured on BASE, 2 x 10 s, one thread: 0.87 s forward and backward before, 0.39 s
now.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.model.cpu.shares import in_shares

FAR = 8
"""Shifted pieces. Kernels that are no multiple of it take the plain convolution."""


def divides(kernel: int) -> bool:
    """Whether this formulation knows the kernel."""
    return kernel % (2 * FAR) == 0


class PositionSums(torch.autograd.Function):
    """x (B, T, D), kernel (D, D / groups, K), bias (D,) to (B, T, D): padded by K / 2, the last step left out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int) -> Tensor:
        """The convolution."""
        kernel = weight.shape[2]
        plan = _Plan(len(x), x.shape[1], x.shape[2] // groups, kernel, groups)
        padded = F.pad(x, (0, 0, kernel // 2, kernel // 2 - 1))
        taps = plan.taps(weight)
        y = torch.empty_like(x)

        def convolve(units: range) -> None:
            for group in units:
                part = plan.channels(group)
                z = (plan.windows(padded[:, :, part]) @ taps[group]).view(plan.batch, plan.inner, FAR, plan.size)
                total = y[:, :, part]
                total.copy_(bias[part])
                for place in range(FAR):
                    total += z[:, place * plan.near :][:, : plan.steps, place]

        in_shares(groups, convolve)
        ctx.save_for_backward(padded, weight)
        ctx.plan = plan
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of x, kernel and bias."""
        padded, weight = ctx.saved_tensors
        plan: _Plan = ctx.plan
        gradient = gradients[0].contiguous()
        taps = plan.taps(weight)
        d_taps, d_padded = torch.empty_like(taps), torch.zeros_like(padded)

        def back(units: range) -> None:
            d_z = padded.new_zeros(plan.batch, plan.inner, FAR, plan.size)
            for group in units:
                part = plan.channels(group)
                for place in range(FAR):
                    d_z[:, place * plan.near :][:, : plan.steps, place] = gradient[:, :, part]
                flat = d_z.view(plan.batch * plan.inner, -1)
                torch.mm(plan.windows(padded[:, :, part]).t(), flat, out=d_taps[group])
                d_windows = (flat @ taps[group].t()).view(plan.batch, plan.inner, plan.near, plan.size)
                d_part = d_padded[:, :, part]
                for tap in range(plan.near):
                    d_part[:, tap : tap + plan.inner] += d_windows[:, :, tap]

        in_shares(plan.groups, back)
        pad = plan.kernel // 2
        d_x = d_padded[:, pad : pad + plan.steps].contiguous()
        return d_x, plan.kernel_gradient(d_taps), gradient.sum(dim=(0, 1)), None


class _Plan:
    """Sizes, and how kernel and input lie as matrices."""

    def __init__(self, batch: int, steps: int, size: int, kernel: int, groups: int) -> None:
        self.batch, self.steps, self.size, self.kernel, self.groups = batch, steps, size, kernel, groups
        self.near = kernel // FAR
        self.inner = steps + kernel - self.near
        """Steps of z; each sees `near` of the `steps + kernel - 1` padded ones."""

    def channels(self, group: int) -> slice:
        return slice(group * self.size, (group + 1) * self.size)

    def windows(self, padded: Tensor) -> Tensor:
        """(B, T + K - 1, C) to (B * inner, near * C): tap, then channel."""
        return padded.unfold(1, self.near, 1).transpose(2, 3).reshape(self.batch * self.inner, -1)

    def taps(self, weight: Tensor) -> Tensor:
        """(D, C, K) to (groups, near * C, FAR * C_out)."""
        parts = weight.view(self.groups, self.size, self.size, FAR, self.near)
        return parts.permute(0, 4, 2, 3, 1).reshape(self.groups, self.near * self.size, FAR * self.size)

    def kernel_gradient(self, d_taps: Tensor) -> Tensor:
        """The inverse of `taps`."""
        parts = d_taps.view(self.groups, self.near, self.size, FAR, self.size)
        return parts.permute(0, 4, 2, 3, 1).reshape(self.groups * self.size, self.size, self.kernel)
