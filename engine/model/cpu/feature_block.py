"""Norm, GELU and the next convolution of the feature encoder as one step that saves its input and nothing else.

The first convolutions give 64 times as many numbers as the last (131 MB for two rows of 10 s). Written out, each block
keeps them three times for the backward pass, and each elementwise step takes fresh memory that the kernel must clear
first. Here a block goes through time in pieces: normalise, GELU, multiply; backward recomputes the first two. The
pieces are the units that the threads share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.model.cpu import time_norm
from engine.model.cpu.shares import in_shares
from engine.model.cpu.strided_convolution import (
    add_weight_gradient,
    convolve,
    input_gradient,
    output_steps,
    rows_as_taps,
    taps_as_rows,
)

BLOCK = 1024
"""Outputs of a piece: 4 MB of inputs at 512 channels and stride 2."""

_gelu = torch.ops.aten.gelu
_gelu_backward = torch.ops.aten.gelu_backward
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward


@dataclass(frozen=True)
class BlockNorm:
    """`kind` layer (over channels), group (over time, one group a channel) or none, and its epsilon."""

    kind: str
    eps: float = 0.0


class _Rows:
    """The batch (B, T, C) and its norm, piece by piece."""

    def __init__(self, x: Tensor, norm: BlockNorm, gain: Tensor | None, offset: Tensor | None) -> None:
        self.x, self.norm, self.gain, self.offset = x, norm, gain, offset
        self.over_time: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        if norm.kind == "group" and gain is not None and offset is not None:
            for row in x:
                mean, scale = time_norm.statistics(row, norm.eps)
                self.over_time.append((mean, scale, gain * scale, offset - mean * gain * scale))

    def normed(self, row: int, begin: int, end: int, scratch: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Steps `begin` to `end` of a row, normed, in `scratch` or where they are; and layer norm's statistics."""
        piece = self.x[row, begin:end]
        if self.norm.kind == "group":
            _, _, factor, constant = self.over_time[row]
            return torch.mul(piece, factor, out=scratch[: len(piece)]).add_(constant), ()
        if self.norm.kind == "layer":
            y, *known = torch.native_layer_norm(piece, piece.shape[1:], self.gain, self.offset, self.norm.eps)
            return y, tuple(known)
        return piece, ()


def _pieces(steps: int, units: range) -> Iterator[tuple[int, int, int]]:
    """(row, first, end) of each piece of at most `BLOCK` steps."""
    pieces = -(-steps // BLOCK)
    for unit in units:
        row, place = divmod(unit, pieces)
        yield row, place * BLOCK, min((place + 1) * BLOCK, steps)


class NormGeluConvolution(torch.autograd.Function):
    """x (B, T, C_in) to (B, T', C_out), for a kernel (C_out, C_in, k), its bias or None, a norm's parts or None."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        gain: Tensor | None,
        offset: Tensor | None,
        norm: BlockNorm,
        stride: int,
    ) -> Tensor:
        """Raises RuntimeError for fewer steps than the kernel has taps."""
        kernel = weight.shape[2]
        count = output_steps(x.shape[1], kernel, stride)
        if count < 1:
            raise RuntimeError(f"{x.shape[1]} steps are fewer than the {kernel} of the kernel: use a longer waveform")
        x = x.contiguous()
        ctx.save_for_backward(x, weight, gain, offset)
        ctx.norm, ctx.stride, ctx.biased = norm, stride, bias is not None
        rows, taps = _Rows(x, norm, gain, offset), taps_as_rows(weight)
        y = x.new_empty(len(x), count, len(weight))

        def fill(units: range) -> None:
            scratch = x.new_empty(min(BLOCK, count) * stride + kernel, x.shape[2])
            for row, begin, end in _pieces(count, units):
                normed, _ = rows.normed(row, begin * stride, (end - 1) * stride + kernel, scratch)
                active = _gelu.out(normed, out=scratch[: len(normed)])
                convolve(active, taps, kernel, stride, y[row, begin:end])
                if bias is not None:
                    y[row, begin:end] += bias

        in_shares(len(x) * -(-count // BLOCK), fill)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, kernel, bias, gain and offset."""
        x, weight, gain, offset = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        d_x = torch.empty_like(x)
        rows = _Rows(x, ctx.norm, gain, offset)
        back = _Backward(rows, gradient, taps_as_rows(weight), weight.shape[2], ctx.stride, d_x)
        # A row's steps in strides of the outputs, the last perhaps not whole.
        shares = in_shares(len(x) * -(-back.strides // BLOCK), back.share)
        d_taps, d_gain, d_offset = (sum(parts) for parts in zip(*shares, strict=True))
        for row, (mean, scale, _, _) in enumerate(rows.over_time):
            more = time_norm.input_gradient(x[row], d_x[row], mean, scale, gain)
            d_gain, d_offset = d_gain + more[0], d_offset + more[1]
        d_bias = gradient.sum(dim=(0, 1)) if ctx.biased else None
        normed = ctx.norm.kind != "none"
        return (
            d_x,
            rows_as_taps(d_taps, weight.shape[2]),
            d_bias,
            d_gain if normed else None,
            d_offset if normed else None,
            None,
            None,
        )


class _Backward:
    """What the threads do of a backward pass. `d_x` is filled, up to a norm over time, which needs whole rows."""

    def __init__(self, rows: _Rows, gradient: Tensor, taps: Tensor, kernel: int, stride: int, d_x: Tensor) -> None:
        self.rows, self.gradient, self.taps, self.d_x = rows, gradient, taps, d_x
        self.kernel, self.stride, self.steps = kernel, stride, d_x.shape[1]
        self.strides = -(-self.steps // stride)

    def share(self, units: range) -> tuple[Tensor, Tensor, Tensor]:
        """Sums over some of the pieces: gradients of the taps, and of a layer norm's gain and offset."""
        x, gradient, kernel, stride = self.rows.x, self.gradient, self.kernel, self.stride
        d_taps, d_gain, d_offset = torch.zeros_like(self.taps), x.new_zeros(x.shape[2]), x.new_zeros(x.shape[2])
        size = min(BLOCK, self.strides) * stride + kernel
        normed_scratch, active_scratch, d_active_scratch = (x.new_empty(size, x.shape[2]) for _ in range(3))
        for row, begin, end in _pieces(self.strides, units):
            first, last = begin * stride, min(end * stride, self.steps)
            # The last output of the piece may see steps of the next.
            seen = min(max(last, (end - 1) * stride + kernel), self.steps)
            normed, known = self.rows.normed(row, first, seen, normed_scratch)
            active = _gelu.out(normed, out=active_scratch[: len(normed)])
            outputs = gradient[row, begin:end]
            if len(outputs):
                add_weight_gradient(active, outputs, d_taps, kernel, stride)
            d_active = d_active_scratch[: (end - begin) * stride]
            input_gradient(gradient[row], self.taps, kernel, stride, begin, end, d_active)
            d_piece, own = self.d_x[row, first:last], last - first
            _gelu_backward.grad_input(d_active[:own], normed[:own], grad_input=d_piece)
            if known:
                mean, scale = (part[:own] for part in known)
                piece, norm = x[row, first:last], (self.rows.gain, self.rows.offset)
                d_normed, *more = _layer_norm_backward(d_piece, piece, x.shape[2:], mean, scale, *norm, [True] * 3)
                d_piece.copy_(d_normed)
                d_gain += more[0]
                d_offset += more[1]
        return d_taps, d_gain, d_offset
