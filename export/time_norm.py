"""Group norm with one group a channel, in two passes.

ONNX's InstanceNormalization, which it would become, loses digits in ONNX Runtime over tens of thousands of steps: 1e-4
in the latents of a quiet row. Mean first, then the mean square of what is left, agrees with PyTorch to 1e-5.
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
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = (centred * centred).mean(dim=-1, keepdim=True)
        scale = self.weight[:, None, None] / torch.sqrt(variance + self.eps)
        return centred * scale + self.bias[:, None, None]
