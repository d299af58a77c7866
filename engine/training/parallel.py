"""How one model learns in several processes: alone, copied into each (DDP), or spread over all (FSDP2).

The loop sums losses and divides once by all masked frames (or sentences) of all processes; `gradient_scale` undoes the
mean over processes that DDP and FSDP take.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from engine.model.context_network import ContextNetwork
from engine.training.world import World


class Parallel(Protocol):
    """What the loop needs to know of the other processes while it computes gradients."""

    gradient_scale: float
    """Gradients times this are the sum over all processes."""

    def __call__(self, *inputs: Any) -> Any:
        """The model's forward pass, in training."""

    def begin(self) -> None:
        """Before an update, when it is settled which weights learn."""

    def micro_batch(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """Around forward and backward of a micro-batch; `last` of this process in the update."""

    def evaluated(self) -> None:
        """After forward passes without backward."""

    def whole(self, state: Any) -> Any:
        """A state dict as one process alone would have it: in the first process; elsewhere values may be missing."""

    def own(self, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """An optimizer's whole state dict as this process keeps it."""


class Alone:
    """One process: nothing to do."""

    gradient_scale = 1.0

    def __init__(self, model: nn.Module) -> None:
        self._model = model

    def __call__(self, *inputs: Any) -> Any:
        """The model's forward pass."""
        return self._model(*inputs)

    def begin(self) -> None:
        """Nothing to prepare."""

    def micro_batch(self, last: bool) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Gradients add up by themselves."""
        return contextlib.nullcontext()

    def evaluated(self) -> None:
        """Nothing to tidy."""

    def whole(self, state: Any) -> Any:
        """As it is."""
        return state

    def own(self, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:  # noqa: ARG002
        """As it is."""
        return state


class Copies(Alone):
    """A copy of the model in each process (DDP); gradients are exchanged while the last backward pass runs."""

    def __init__(self, model: nn.Module, world: World, device: torch.device) -> None:
        super().__init__(model)
        self.gradient_scale = float(world.size)
        self._device = device
        self._learning: list[bool] = []
        self._copies: DistributedDataParallel | None = None

    def begin(self) -> None:
        """DDP knows the weights that learned when it was built: where fine-tuning unfreezes some it is built anew."""
        learning = [parameter.requires_grad for parameter in self._model.parameters()]
        if learning == self._learning:
            return
        self._learning = learning
        self._copies = None  # its hooks go before new ones come
        self._copies = DistributedDataParallel(
            self._model,
            device_ids=[self._device] if self._device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=True,  # LayerDrop skips layers
        )

    def __call__(self, *inputs: Any) -> Any:
        """The model's forward pass."""
        return self._model(*inputs) if self._copies is None else self._copies(*inputs)

    @contextlib.contextmanager
    def micro_batch(self, last: bool) -> Iterator[None]:
        """Only the last backward pass exchanges gradients; those before it add up here."""
        with contextlib.nullcontext() if last or self._copies is None else self._copies.no_sync():
            yield


class Shards(Alone):
    """Weights, gradients and optimizer spread over all processes (FSDP2), gathered layer by layer as needed.

    Gradients are exchanged after each micro-batch: whole ones are never kept.
    """

    def __init__(self, model: nn.Module, world: World, device: torch.device) -> None:
        super().__init__(model)
        self.gradient_scale = float(world.size)
        self._first = world.is_first
        mesh = init_device_mesh(device.type, (world.size,))
        for module in model.modules():
            if isinstance(module, ContextNetwork):
                for layer in module.layers:
                    fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)

    def evaluated(self) -> None:
        """Without a backward pass the outermost weights stay gathered; the optimizer must find its shards."""
        for module in self._model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    def whole(self, state: Any) -> Any:
        """All processes gather each tensor in turn; the first keeps it, on the CPU."""
        if isinstance(state, DTensor):
            full = state.full_tensor()
            return full.cpu() if self._first else None
        if isinstance(state, dict):
            return type(state)((key, self.whole(value)) for key, value in state.items())
        if isinstance(state, list):
            return [self.whole(value) for value in state]
        return state

    def own(self, state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Cut the averages as their weights are cut."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        cut: dict[int, dict[str, Any]] = {}
        for place, values in state["state"].items():
            parameter = parameters[place]
            cut[place] = {
                name: distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
                if isinstance(value, Tensor) and value.shape == parameter.shape and value.dim() > 0
                else value
                for name, value in values.items()
            }
        return {**state, "state": cut}


def spread(model: nn.Module, world: World, device: torch.device, sharding: str) -> Parallel:
    """What `loop.sharding` asks for; one process alone has nobody to share with. Call before the optimizer is built."""
    if world.size == 1:
        return Alone(model)
    return Shards(model, world, device) if sharding == "fsdp" else Copies(model, world, device)


def local_value(tensor: Tensor) -> Tensor:
    """A tensor as plain numbers, the same in all processes."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
