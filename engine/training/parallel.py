"""How one model learns in several processes: alone, copied into each (DDP), or spread over all (shards.py).

The loop sums losses and divides once by all masked frames (or sentences) of all processes; `gradient_scale` undoes the
mean over processes that DDP and FSDP take.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

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


def spread(model: nn.Module, world: World, device: torch.device, sharding: str) -> Parallel:
    """What `loop.sharding` asks for; one process alone has nobody to share with. Call before the optimizer is built."""
    if world.size == 1:
        return Alone(model)
    if sharding != "fsdp":
        return Copies(model, world, device)
    from engine.training.shards import Shards  # takes seconds to load

    return Shards(model, world, device)


def local_value(tensor: Tensor) -> Tensor:
    """A tensor, whole: of one that is spread over processes (a DTensor) all of them ask together."""
    gather: Callable[[], Tensor] | None = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()
