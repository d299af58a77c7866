"""Where the arithmetic runs, and how exactly."""

from __future__ import annotations

import contextlib

import torch

from engine.config import ConfigError, LoopConfig
from engine.training.world import ALONE, World


def choose_device(wanted: str, world: World = ALONE) -> torch.device:
    """The device that `loop.device` names; auto takes a GPU where there is one. Raises ConfigError.

    Of several processes on a machine each takes the GPU of its own number.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if world.size > 1 and wanted.startswith("cuda"):
        return _own_gpu(wanted, world)
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"loop.device={wanted!r} is no device: use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"loop.device={wanted!r}, but this machine has {torch.cuda.device_count()} usable CUDA devices: "
            "use loop.device=cpu, or check the driver with nvidia-smi"
        )
    return device


def _own_gpu(wanted: str, world: World) -> torch.device:
    if wanted != "cuda":
        raise ConfigError(f"loop.device={wanted!r} under torchrun, where each process takes its own GPU: use cuda")
    if world.local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"process {world.local_rank} of this machine finds {torch.cuda.device_count()} usable CUDA devices: give "
            "torchrun --nproc-per-node that many at most, or set loop.device=cpu"
        )
    return torch.device("cuda", world.local_rank)


def choose_precision(wanted: str, device: torch.device) -> str:
    """`fp32` or `bf16`; auto takes bf16 on a GPU that has it."""
    if wanted != "auto":
        return wanted
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def set_threads(loop: LoopConfig) -> None:
    """CPU threads of the arithmetic, where the config says."""
    if loop.threads > 0:
        torch.set_num_threads(loop.threads)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Mixed precision for bf16, nothing for fp32. Losses and norms stay in float32 inside the model."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def device_name(device: torch.device, world: World = ALONE) -> str:
    """For people: `cuda:0 (NVIDIA H100)`, `cpu (2 threads)`, or `8 x cuda (NVIDIA H100)`."""
    several = f"{world.size} x " if world.size > 1 else ""
    if device.type == "cuda":
        place = "cuda" if several else f"cuda:{device.index or 0}"
        return f"{several}{place} ({torch.cuda.get_device_name(device)})"
    return f"{several}{device.type} ({torch.get_num_threads()} threads)"
