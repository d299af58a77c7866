"""The first convolution: one channel in, so its windows (10 numbers each) are copied and multiplied at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class WaveConvolution(torch.autograd.Function):
    """Waveform (B, N), kernel (C, 1, k), bias (C,) or None to (B, T, C)."""

    @staticmethod
    def forward(ctx: Any, waveform: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        """Copy the windows, multiply. Raises RuntimeError for a waveform shorter than the kernel."""
        ctx.save_for_backward(waveform, weight)
        ctx.stride, ctx.biased = stride, bias is not None
        y = waveform.unfold(1, weight.shape[2], stride).contiguous() @ weight[:, 0].t()
        return y if bias is None else y.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        """Gradients of waveform, kernel and bias."""
        waveform, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        windows = waveform.unfold(1, weight.shape[2], ctx.stride).contiguous()
        d_weight = (windows.flatten(0, 1).t() @ gradient.flatten(0, 1)).t()[:, None].contiguous()
        d_bias = gradient.sum(dim=(0, 1)) if ctx.biased else None
        d_waveform = None
        if ctx.needs_input_grad[0]:
            d_windows = gradient @ weight[:, 0]
            d_waveform = torch.zeros_like(waveform)
            for tap in range(weight.shape[2]):
                d_waveform[:, tap :: ctx.stride][:, : windows.shape[1]] += d_windows[:, :, tap]
        return d_waveform, d_weight, d_bias, None
