"""Batches on their way to the GPU while it works: pinned memory, a stream of their own, two ahead."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

AHEAD = 2


@dataclass
class PlacedBatch:
    """A collator's batch whose arrays are tensors on `device`; everything else is asked of the batch itself."""

    batch: Any
    tensors: dict[str, Tensor]
    ready: torch.cuda.Event | None = None


def place(batch: Any, device: torch.device) -> PlacedBatch:
    """The arrays of a batch on `device`, copied without waiting where it is a GPU. A placed one stays as it is."""
    if isinstance(batch, PlacedBatch):
        return batch
    tensors = {}
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, np.ndarray):
            tensor = torch.from_numpy(value)
            tensors[field.name] = (
                tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
            )
    return PlacedBatch(batch, tensors)


class Prefetch:
    """Takes from `take` ahead of need and places what it gets; on a CPU there is nothing to hide, so none ahead."""

    def __init__(self, take: Callable[[], Any], device: torch.device, ahead: int | None = None) -> None:
        self._take, self._device = take, device
        self._ahead = (AHEAD if device.type == "cuda" else 0) if ahead is None else ahead
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._waiting: deque[PlacedBatch] = deque()

    def take(self) -> PlacedBatch:
        """The next batch; what is queued on the current stream from here on waits for its copies. Raises as `take`."""
        while len(self._waiting) <= self._ahead:
            self._waiting.append(self._start())
        placed = self._waiting.popleft()
        if placed.ready is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(placed.ready)
            for tensor in placed.tensors.values():
                tensor.record_stream(current)  # so that its memory is not given away while kernels still read it
        return placed

    def _start(self) -> PlacedBatch:
        batch = self._take()
        if self._stream is None:
            return place(batch, self._device)
        with torch.cuda.stream(self._stream):
            placed = place(batch, self._device)
            placed.ready = self._stream.record_event()
        return placed
