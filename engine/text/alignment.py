"""Forced alignment: when each letter of a known text was said, by Viterbi over the 2 L + 1 states of CTC.

text      C A T                 states   - C - A - T -
path      - C C - A A T T -              from each state to itself, the next, and over a blank between unequal letters
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.text.confidence import DEFAULT_TEMPERATURE
from engine.text.ctc import Word, log_softmax, words_of_path
from engine.text.vocabulary import Vocabulary


class AlignmentError(ValueError):
    """A text that does not fit into its recording. The message says why."""


def align_words(
    logits: NDArray[np.float32],
    words: list[str],
    vocabulary: Vocabulary,
    stride_s: float = 0.02,
    offset_s: float = 0.0,
    temperature: float = DEFAULT_TEMPERATURE,
) -> list[Word]:
    """`words` with the times of their letters in `logits` (frames, tokens), and confidences.

    Raises VocabularyError for a letter the model does not know, AlignmentError where the text does not fit in.
    """
    tokens = vocabulary.encode(" ".join(words))
    path = align_tokens(log_softmax(logits), tokens, vocabulary.blank)
    return words_of_path(path, logits, vocabulary, stride_s, offset_s, temperature)


def least_frames(tokens: list[int]) -> int:
    """Frames that a text takes at the least: one a token, and a blank between equal ones."""
    return len(tokens) + sum(first == second for first, second in zip(tokens[1:], tokens[:-1], strict=True))


def align_tokens(log_probs: NDArray[np.float32], tokens: list[int], blank: int) -> NDArray[np.intp]:
    """The most probable path (frames,) through `log_probs` (frames, tokens) that spells `tokens`.

    Takes 12 bytes a frame and state, so cut recordings of many minutes at their pauses. Raises AlignmentError where
    there are too few frames.
    """
    frames = len(log_probs)
    if frames < least_frames(tokens):
        raise AlignmentError(
            f"a text of {len(tokens)} letters needs {least_frames(tokens)} frames of sound, there are {frames}: "
            f"the text does not belong to this recording"
        )
    if frames == 0:
        return np.zeros(0, np.intp)
    states = _states(tokens, blank)
    barrier = _barrier(states, blank)
    sums = _forward(log_probs, states, barrier)
    state = _last_state(sums)
    path = np.empty(frames, np.intp)
    path[-1] = states[state]
    for frame in range(frames - 2, -1, -1):
        # The best of the three states that lead here; `sums` has two columns before the first state.
        two, one, same = sums[frame, state : state + 3].tolist()
        two += barrier[state]
        if same < one or same < two:
            state -= 1 if one >= two else 2
        path[frame] = states[state]
    return path


def alignment_score(log_probs: NDArray[np.float32], tokens: list[int], blank: int) -> float:
    """Log-probability of the best path that spells `tokens`; minus infinity where they do not fit."""
    if len(log_probs) < max(1, least_frames(tokens)):
        return -np.inf if tokens or len(log_probs) else 0.0
    states = _states(tokens, blank)
    sums = _forward(log_probs, states, _barrier(states, blank))
    return float(sums[-1, _last_state(sums) + 2])


def _states(tokens: list[int], blank: int) -> NDArray[np.intp]:
    """The tokens with a blank before, between and behind."""
    states = np.full(2 * len(tokens) + 1, blank)
    states[1::2] = tokens
    return states


def _barrier(states: NDArray[np.intp], blank: int) -> NDArray[np.float64]:
    """0 where a state may follow the one before the last (letters unlike the letter before), else minus infinity."""
    barrier = np.full(len(states), -np.inf)
    barrier[2:][(states[2:] != blank) & (states[2:] != states[:-2])] = 0
    return barrier


def _forward(
    log_probs: NDArray[np.float32], states: NDArray[np.intp], barrier: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Viterbi's sums (frames, 2 + states): the best path to each state in each frame, after two columns of padding."""
    frames, count = len(log_probs), len(states)
    sums = np.full((frames, count + 2), -np.inf)
    sums[0, 2:4] = log_probs[0, states[:2]]
    scores = log_probs[:, states]
    best = np.empty(count)
    for frame in range(1, frames):
        before = sums[frame - 1]
        np.add(before[:-2], barrier, out=best)
        np.maximum(best, before[1:-1], out=best)
        np.maximum(best, before[2:], out=best)
        np.add(best, scores[frame], out=sums[frame, 2:])
    return sums


def _last_state(sums: NDArray[np.float64]) -> int:
    """The better of the two states a path may end in: the last letter, and the blank behind it."""
    last: int = sums.shape[1] - 3
    return last if last == 0 or sums[-1, -1] >= sums[-1, -2] else last - 1
