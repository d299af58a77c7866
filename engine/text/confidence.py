"""How sure a CTC model is of a frame, from its whole distribution and not from the largest probability alone.

Tsallis entropy H of order 1/3, normalised exponentially (reference, streaming, section 3): (exp(-H) - exp(-Hmax)) /
(1 - exp(-Hmax)), which is 1 where one token has all the probability and 0 where all are alike. A *temperature* divides
the logits first; it is fitted for each model on recordings kept out of its training.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ORDER = 1 / 3
"""Order of the entropy: below 1 it also counts the small probabilities, which softmax makes much too small."""
DEFAULT_TEMPERATURE = 0.5
"""For a model without a fitted one."""


def frame_confidence(
    logits: NDArray[np.float32], temperature: float = DEFAULT_TEMPERATURE, largest: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Confidence in 0 to 1 of each row of `logits` (frames, tokens); 0 for a row that is not finite.

    `largest` (frames,) are the rows' maxima, where they are known already: finding them is half the work.
    """
    tokens = logits.shape[-1]
    if tokens < 2:
        return np.ones(len(logits), np.float32)
    if largest is None:
        largest = logits.max(axis=-1)
    # exp(order * x) for all, of which exp(x) is the cube: one exponential serves both sums of
    # sum of p ** order = sum of exp(order * x) / (sum of exp(x)) ** order. Sums as products: quicker on short rows.
    ones = np.ones(tokens, np.float32)
    roots = logits - largest[:, None]
    roots *= np.float32(ORDER / temperature)
    np.exp(roots, out=roots)
    power: NDArray[np.float32] = roots @ ones
    roots *= roots * roots
    power /= np.cbrt(roots @ ones)
    least = math.exp((1 - tokens ** (1 - ORDER)) / (1 - ORDER))
    power -= 1
    power *= -1 / (1 - ORDER)  # minus the entropy
    np.exp(power, out=power)
    power -= least
    power /= 1 - least
    np.fmax(power, 0, out=power)  # also takes 0 for not-a-number
    return np.fmin(power, 1, out=power)


def path_confidence(
    logits: NDArray[np.float32], path: NDArray[np.intp], temperature: float = DEFAULT_TEMPERATURE
) -> NDArray[np.float32]:
    """`frame_confidence` of rows (frames, tokens) in which a path (frames,) need not take the likeliest token.

    How much less likely its token is makes it that much less sure.
    """
    largest = logits.max(axis=-1)
    with np.errstate(invalid="ignore"):
        share: NDArray[np.float32] = np.exp(logits[np.arange(len(path)), path] - largest)
    return frame_confidence(logits, temperature, largest) * np.fmax(share, 0)


def peak_confidence(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """The plain measure to compare with: (N p - 1) / (N - 1) for the largest probability p of N, 0 to 1."""
    tokens = logits.shape[-1]
    if tokens < 2:
        return np.ones(len(logits), np.float32)
    scaled = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    result: NDArray[np.float32] = (tokens / np.exp(scaled).sum(axis=-1) - 1) / (tokens - 1)
    return np.fmax(result, 0)
