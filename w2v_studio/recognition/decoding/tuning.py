"""Weights of a bundle's language model, found on recordings that were kept out of its training.

The error rate over the three weights has one wide valley, so a walk finds its floor: along one axis of the grid as long
as it gets better, then along the next one, until no neighbour is better. Twenty to forty decodes of all recordings,
where the whole grid has hundreds.

prior_weight   0 .15 .25 [.35] .45        lm_weight   .6 [.8] 1        word_score   -.5 [0] .5
                       -->  *  worse             worse  *  -->  ...
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import log_softmax
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults

STEPS = {
    "prior_weight": (0.0, 0.15, 0.25, 0.35, 0.45, 0.55, 0.7, 0.85),
    "lm_weight": (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0),
    "word_score": (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0),
}
"""The grid: what is tried for each weight of DecodingDefaults, in the order in which the walk takes them."""
LEAST_LOG_PRIOR = -9.0
"""Tokens that are rarer, or never written, count as this rare."""

Place = tuple[int, ...]


@dataclass(frozen=True)
class Trial:
    """Weights, and their word error rate (0 and up)."""

    weights: DecodingDefaults
    wer: float


def log_priors(logits: Iterable[NDArray[np.float32]]) -> tuple[float, ...]:
    """Natural logarithms of the tokens' mean probabilities over all frames of `logits` (frames, tokens) each."""
    total, frames = np.zeros(0), 0
    for rows in logits:
        share = np.exp(log_softmax(rows).astype(np.float64)).sum(axis=0)
        total = share if frames == 0 else total + share
        frames += len(rows)
    floor = np.exp(LEAST_LOG_PRIOR)
    return tuple(round(float(value), 3) for value in np.log(np.maximum(total / max(frames, 1), floor)))


def walk(start: DecodingDefaults, rate: Callable[[DecodingDefaults], float]) -> Iterator[Trial]:
    """Each weights tried, with `rate` of them; the least of them is where the walk ends.

    Begins at the point of the grid nearest to `start`, whose other fields stay.
    """
    axes = list(STEPS.values())
    best = tuple(
        min(range(len(steps)), key=lambda place: abs(steps[place] - getattr(start, name)))
        for name, steps in STEPS.items()
    )
    known: dict[Place, float] = {}

    def look(place: Place) -> Iterator[Trial]:
        if place not in known:
            prior_weight, lm_weight, word_score = (steps[index] for steps, index in zip(axes, place, strict=True))
            weights = replace(start, prior_weight=prior_weight, lm_weight=lm_weight, word_score=word_score)
            known[place] = rate(weights)
            yield Trial(weights, known[place])

    yield from look(best)
    unmoved = 0
    for axis in itertools.cycle(range(len(axes))):
        before = best
        for way in (1, -1):
            while 0 <= best[axis] + way < len(axes[axis]):
                further = (*best[:axis], best[axis] + way, *best[axis + 1 :])
                yield from look(further)
                if known[further] >= known[best]:
                    break
                best = further
        unmoved = unmoved + 1 if best == before else 0
        if unmoved == len(axes):
            return
