"""Which clips made a number that is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.training.objectives import Contribution


@dataclass(frozen=True)
class Suspects:
    """`what` was not finite (loss or gradient), and the clips it can have come from in this process."""

    what: str
    clips: list[str]


def find_suspects(parts: Sequence[tuple[Contribution, list[str]]]) -> Suspects:
    """The rows whose own numbers are not finite; else all rows of the micro-batches whose loss is not; else all."""
    broken = [part for part in parts if not torch.isfinite(part[0].loss.detach())]
    clips = []
    for part, origins in broken:
        finite = [True] * len(origins) if part.finite_rows is None else part.finite_rows.tolist()
        rows = [origin for origin, fine in zip(origins, finite, strict=True) if not fine]
        clips += rows or origins
    if broken:
        return Suspects("loss", clips)
    return Suspects("gradient", [origin for _, origins in parts for origin in origins])
