"""The processes of one run: who they are (torchrun's environment), and the numbers they agree on in every update."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from engine.config import ConfigError

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    """`size` processes, of which this is `rank`; `local_rank` counts on its own machine. Alone, nothing is sent.

    Numbers and objects go through the CPU (gloo), so that a GPU is never waited for. Every process must make the same
    calls in the same order.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the events and the checkpoints."""
        return self.rank == 0

    def total(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes, in float64."""
        if self.size == 1:
            return [float(value) for value in values]
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def total_array(self, values: torch.Tensor) -> torch.Tensor:
        """A tensor summed over all processes; float64, on the CPU."""
        sums = values.detach().to("cpu", torch.float64)
        if self.size > 1:
            dist.all_reduce(sums)
        return sums

    def gather(self, value: Value) -> list[Value]:
        """What each process gave, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What `make` gives in the first process, in all of them; an error of it is raised in all."""
        if self.size == 1:
            return make()
        answer: list[Any] = [None, None]
        if self.is_first:
            try:
                answer[0] = make()
            except Exception as error:  # the others must not wait for an answer that never comes
                answer[1] = error
        dist.broadcast_object_list(answer)
        if answer[1] is not None:
            raise answer[1]
        found: Value = answer[0]
        return found


ALONE = World()
"""One process, nobody to talk to."""


def announced(environment: Mapping[str, str] = os.environ) -> World:
    """The world that torchrun put into the environment; without it, this process alone. Raises ConfigError."""
    try:
        rank, size, local = (
            int(environment.get(name, default))
            for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
        )
    except ValueError as error:
        raise ConfigError(f"RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers ({error}): use torchrun") from error
    if size == 1:
        return World()
    if "MASTER_ADDR" not in environment:
        raise ConfigError(f"WORLD_SIZE={size}, but there is no MASTER_ADDR: start the command with torchrun")
    return World(rank, size, local)


def is_lost(error: BaseException) -> bool:
    """Whether an error says that another process no longer answers: NCCL's own kinds, gloo's by their text."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("gloo" in text or "connection" in text or "nccl" in text)


def _fresh_store(world: World, environment: Mapping[str, str]) -> Store:
    """Where the processes find each other, with nothing in it from an attempt before.

    torchrun's store outlives the processes that it starts again, and with torch 2.11 nothing in it tells attempts
    apart: they would look for the dead (gloo fails to connect, or waits for ever). What tells them apart is the number
    of the restart, and, where machines came or went, how many processes have asked before.
    """
    store, _, _ = next(rendezvous("env://", world.rank, world.size))
    attempt = f"w2v/{environment.get('TORCHELASTIC_RESTART_COUNT', '0')}/{world.size}"
    asked = store.add(f"{attempt}/asked", 1)
    return PrefixStore(f"{attempt}/{(asked - 1) // world.size}", store)


@contextlib.contextmanager
def joined(wanted_device: str) -> Iterator[World]:
    """Join the other processes for as long as the context lasts: NCCL between GPUs, gloo between CPUs."""
    world = announced()
    if world.size == 1:
        yield world
        return
    on_gpu = wanted_device.startswith("cuda") or (wanted_device == "auto" and torch.cuda.is_available())
    if on_gpu and world.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(world.local_rank)
    store = _fresh_store(world, os.environ)
    backends = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    dist.init_process_group(backends, store=store, rank=world.rank, world_size=world.size)
    try:
        yield world
    finally:
        dist.destroy_process_group()
