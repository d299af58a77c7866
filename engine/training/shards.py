"""A model spread over all processes (FSDP2), for those that one GPU does not hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from engine.model.context_network import ContextNetwork
from engine.training.parallel import Alone
from engine.training.world import World


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
