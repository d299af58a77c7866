"""Where the arithmetic runs, and how exactly."""

from __future__ import annotations

import contextlib

import torch

from engine.config import ConfigError, LoopConfig


def choose_device(wanted: str) -> torch.device:
    """The device that `loop.device` names; auto takes a GPU where there is one. Raises ConfigError."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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


def device_name(device: torch.device) -> str:
    """For people: `cuda:0 (NVIDIA H100)` or `cpu (2 threads)`."""
    if device.type == "cuda":
        return f"cuda:{device.index or 0} ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({torch.get_num_threads()} threads)"
