"""How sure a CTC model is of a frame, from its whole distribution and not from the largest probability alone.

Tsallis entropy H of order 1/3, normalised exponentially (reference, streaming, section 3): (exp(-H) - exp(-Hmax)) /
(1 - exp(-Hmax)), which is 1 where one token has all the probability and 0 where all are alike. A *temperature* divides
the logits first; it is fitted for each model on recordings kept out of its training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDER = 1 / 3
"""Order of the entropy: below 1 it also counts the small probabilities, which softmax makes much too small."""
DEFAULT_TEMPERATURE = 0.5
"""For a model without a fitted one."""


def frame_confidence(logits: NDArray[np.float32], temperature: float = DEFAULT_TEMPERATURE) -> NDArray[np.float32]:
    """Confidence in 0 to 1 of each row of `logits` (frames, tokens); 0 for a row that is not finite."""
    tokens = logits.shape[-1]
    if tokens < 2:
        return np.ones(len(logits), np.float32)
    scaled = (logits - logits.max(axis=-1, keepdims=True)) * np.float32(1 / temperature)
    # p ** order without a division in between: exp(order * x) / (sum of exp(x)) ** order
    power = np.exp(scaled * np.float32(ORDER)).sum(axis=-1) / np.exp(scaled).sum(axis=-1) ** np.float32(ORDER)
    entropy = (power - 1) / (1 - ORDER)
    least = np.exp(-(tokens ** (1 - ORDER) - 1) / (1 - ORDER))
    result = (np.exp(-entropy) - least) / (1 - least)
    return np.nan_to_num(np.clip(result, 0, 1), nan=0.0).astype(np.float32, copy=False)


def peak_confidence(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """The plain measure to compare with: (N p - 1) / (N - 1) for the largest probability p of N, 0 to 1."""
    tokens = logits.shape[-1]
    if tokens < 2:
        return np.ones(len(logits), np.float32)
    scaled = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    peak = 1 / np.exp(scaled).sum(axis=-1)
    return np.nan_to_num((tokens * peak - 1) / (tokens - 1), nan=0.0).astype(np.float32, copy=False)
