"""Group norm with one group a channel, its sums over time taken in float64.

ONNX's InstanceNormalization, which it would become, and a float32 ReduceMean add up tens of thousands of steps one by
one in ONNX Runtime and lose two digits in rows with long silences: 1e-4 in the latents. The double sums cost a BASE
model about 3 % of its time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TimeNorm(nn.Module):
    """Gives what a GroupNorm of as many groups as channels gives."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        if norm.num_groups != norm.num_channels:
            raise ValueError(f"a group norm of {norm.num_groups} groups over {norm.num_channels} channels is not one")
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, T) to the same, each row and channel normalised over T."""
        centred = x - x.double().mean(dim=-1, keepdim=True).float()
        variance = (centred * centred).double().mean(dim=-1, keepdim=True).float()
        scale = self.weight[:, None, None] / torch.sqrt(variance + self.eps)
        return centred * scale + self.bias[:, None, None]
