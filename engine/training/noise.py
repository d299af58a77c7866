"""Chance inside the network, keyed by update and micro-batch: whichever process computes one, and after any resume,
dropout, Gumbel noise and LayerDrop are the same.

LayerDrop is drawn for an update, not for a micro-batch: DDP and FSDP need all processes to run the same layers.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from engine.model.context_network import ContextNetwork

NOISE, LAYERS = 11, 12
"""Parts of the key; those of engine/data/examples.py are other numbers."""


def _key(seed: int, use: int, *place: int) -> int:
    return int(np.random.SeedSequence([seed, use, *place]).generate_state(1, np.uint64)[0])


class KeyedNoise:
    """Seeds torch's generators (all devices) and the LayerDrop of `model`."""

    def __init__(self, model: nn.Module, seed: int) -> None:
        self._seed = seed
        self._layers = torch.Generator()
        for module in model.modules():
            if isinstance(module, ContextNetwork):
                module.layerdrop_generator = self._layers

    def begin(self, step: int, micro_batch: int) -> None:
        """Before micro-batch `micro_batch` of update `step`, both from 0 and counted over all processes."""
        torch.manual_seed(_key(self._seed, NOISE, step, micro_batch))
        self._layers.manual_seed(_key(self._seed, LAYERS, step))
