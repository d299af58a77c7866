"""The objective of `objective.spectra`: convolutions that give the log mel spectrum (engine/model/spectra.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from engine.config import RunConfig
from engine.data.batches import PretrainingBatch
from engine.events import Evaluation
from engine.model.spectra import SpectraModel
from engine.training.device import autocast
from engine.training.objectives import Contribution, Filler
from engine.training.prefetch import PlacedBatch, place
from engine.training.world import ALONE, World


class SpectraLearning:
    """Mean squared error by frame, of bands with variance 1: 1 is what knowing nothing gives."""

    vocabulary: None = None
    pronunciations: None = None
    phone_counts: None = None

    def __init__(self, run: RunConfig, model: SpectraModel, device: torch.device, precision: str) -> None:
        self.run, self.model, self.device, self.precision = run, model, device, precision
        self.forward: Callable[..., Tensor] = model

    def prepare(self, batch: PretrainingBatch) -> None:
        """Nothing depends on the data."""

    def begin(self, step: int) -> None:  # noqa: ARG002
        """The same weights learn in every update."""
        self.model.learn_convolutions_only()

    def contribution(self, batch: PretrainingBatch | PlacedBatch, step: int) -> Contribution:  # noqa: ARG002
        """Error over all frames; masks and distractors of the batch are not used."""
        forward = self.forward if self.model.training else self.model
        with autocast(self.device, self.precision):
            errors = forward(place(batch, self.device).tensors["waveform"])
        return Contribution(errors.sum(), errors.numel(), finite_rows=torch.isfinite(errors).all(dim=-1))

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Any], step: int, world: World = ALONE) -> Evaluation:
        """Mean over all frames of the pass."""
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        self.model.eval()
        try:
            for batch in batches:
                counting = not isinstance(batch, Filler)
                part = self.contribution(batch if counting else batch.batch, step)
                if counting:
                    sums += torch.stack((part.loss.double(), torch.full_like(sums[0], part.count)))
        finally:
            self.model.train()
        error, frames = world.total(sums.tolist())
        return Evaluation(step=step, loss=error / max(frames, 1.0))

    def score(self, evaluation: Evaluation) -> float:
        """The error."""
        return float("inf") if evaluation.loss is None else evaluation.loss
