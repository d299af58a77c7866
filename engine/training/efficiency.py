"""Less memory or more speed for the same result: activation checkpointing and torch.compile of the Transformer layers.

Layers are compiled one by one: they share one compiled code, LayerDrop stays outside it, and a skipped layer costs
nothing. Batches differ in size, so sizes are symbols in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.config import LoopConfig
from engine.model.context_network import ContextNetwork, EncoderLayer

Forward = Callable[[Tensor, Tensor | None], Tensor]
TRIAL_FRAMES = (50, 61)
"""Lengths of the trial's inputs: two, so that the code for sizes that change is tried as well."""


def save_memory(model: nn.Module, loop: LoopConfig) -> None:
    """Compute Transformer layers again in the backward pass, where `loop.activation_checkpointing` asks for it."""
    for module in model.modules():
        if isinstance(module, ContextNetwork):
            module.checkpoint_activations = loop.activation_checkpointing


def wants_compile(loop: LoopConfig, device: torch.device) -> bool:
    """Whether `loop.compile` asks for it on this device."""
    return loop.compile == "on" or (loop.compile == "auto" and device.type == "cuda")


def compile_layers(model: nn.Module, device: torch.device) -> str:
    """Compile the Transformer layers, and try one; where that fails all stay as they are, and a sentence says why.

    Evaluation runs them as they are: it is too short to earn back a compiled code of its own.
    """
    layers = [module for module in model.modules() if isinstance(module, EncoderLayer)]
    for layer in layers:
        layer.forward = _in_training(layer, torch.compile(layer.forward, dynamic=True))  # type: ignore[assignment,method-assign]
    try:
        _try(layers[0], device)
    except Exception as error:  # compilers fail in many ways; training can do without
        for layer in layers:
            del layer.forward
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return (
            f"torch.compile does not work here ({type(error).__name__}: {reason}): the run goes on without it; install "
            "a C++ compiler, or set loop.compile=off"
        )
    finally:
        model.zero_grad(set_to_none=True)
    # What a later shape may bring must not end the run either.
    torch._dynamo.config.suppress_errors = True
    return ""


def _in_training(layer: EncoderLayer, compiled: Forward) -> Forward:
    plain = layer.forward

    def forward(x: Tensor, key_mask: Tensor | None) -> Tensor:
        return compiled(x, key_mask) if layer.training and torch.is_grad_enabled() else plain(x, key_mask)

    return forward


def _try(layer: EncoderLayer, device: torch.device) -> None:
    width = layer.layer_norm.normalized_shape[0]
    layer.train()
    for frames in TRIAL_FRAMES:
        layer(torch.zeros(2, frames, width, device=device, requires_grad=True), None).sum().backward()
