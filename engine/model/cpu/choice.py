"""When the formulations of this package are taken: eager arithmetic in float32 or float64 on a CPU.

Elsewhere (CUDA, mixed precision, torch.compile, export to ONNX) the plain formulation beside each of them runs; both
give the same up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor


def suits_cpu(x: Tensor) -> bool:
    """Whether `x` is computed eagerly on a CPU, in full precision."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.compiler.is_compiling()
        and not torch.compiler.is_exporting()
        and not torch.is_autocast_enabled("cpu")
    )


def is_mixed_on_cpu(x: Tensor) -> bool:
    """Whether `x` is computed eagerly on a CPU in mixed precision."""
    return (
        x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.compiler.is_exporting()
    )
