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
from w2v_studio.recognition.decoding.settings import DecodingError


def align_words(
    logits: NDArray[np.float32],
    words: list[str],
    vocabulary: Vocabulary,
    stride_s: float = 0.02,
    offset_s: float = 0.0,
    temperature: float = DEFAULT_TEMPERATURE,
) -> list[Word]:
    """`words` with the times of their letters in `logits` (frames, tokens), and confidences.

    Raises VocabularyError for a letter the model does not know, DecodingError where the text does not fit in.
    """
    tokens = vocabulary.encode(" ".join(words))
    path = align_tokens(log_softmax(logits), tokens, vocabulary.blank)
    return words_of_path(path, logits, vocabulary, stride_s, offset_s, temperature)


def least_frames(tokens: list[int]) -> int:
    """Frames that a text takes at the least: one a token, and a blank between equal ones."""
    return len(tokens) + sum(first == second for first, second in zip(tokens[1:], tokens[:-1], strict=True))


def align_tokens(log_probs: NDArray[np.float32], tokens: list[int], blank: int) -> NDArray[np.intp]:
    """The most probable path (frames,) through `log_probs` (frames, tokens) that spells `tokens`.

    Takes 5 bytes a frame and state, so cut recordings of many minutes at their pauses. Raises DecodingError where
    there are too few frames.
    """
    frames = len(log_probs)
    if frames < least_frames(tokens):
        raise DecodingError(
            f"a text of {len(tokens)} letters needs {least_frames(tokens)} frames of sound, there are {frames}: "
            f"the text does not belong to this recording"
        )
    if frames == 0:
        return np.zeros(0, np.intp)
    states = np.full(2 * len(tokens) + 1, blank)
    states[1::2] = tokens
    back = _steps_back(log_probs[:, states], _may_skip(states, blank))
    path = np.empty(frames, np.intp)
    state = back.last
    for frame in range(frames - 1, -1, -1):
        path[frame] = states[state]
        state -= int(back.steps[frame, state])
    return path


class _Back:
    """Viterbi's memory: `steps` (frames, states) states to go back, `last` the state at the end, its `score`."""

    def __init__(self, steps: NDArray[np.int8], last: int, score: float) -> None:
        self.steps, self.last, self.score = steps, last, score


def _may_skip(states: NDArray[np.intp], blank: int) -> NDArray[np.bool_]:
    """Which states may follow the one before the last: letters unlike the letter before."""
    result = np.zeros(len(states), np.bool_)
    result[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    return result


def _steps_back(scores: NDArray[np.float32], may_skip: NDArray[np.bool_]) -> _Back:
    """Viterbi over `scores` (frames, states)."""
    frames, count = scores.shape
    steps = np.zeros((frames, count), np.int8)
    # Candidates from the same state, the one before and the one before that; two places of padding on the left.
    padded = np.full(count + 2, -np.inf)
    padded[2] = scores[0, 0]
    if count > 1:
        padded[3] = scores[0, 1]
    barrier = np.where(may_skip, 0.0, -np.inf)
    candidates = np.empty((3, count))
    columns = np.arange(count)
    for frame in range(1, frames):
        candidates[0] = padded[2:]
        candidates[1] = padded[1:-1]
        np.add(padded[:-2], barrier, out=candidates[2])
        step = candidates.argmax(axis=0)
        steps[frame] = step
        padded[2:] = candidates[step, columns] + scores[frame]
    ends = padded[2:]
    last = count - 1 if count == 1 or ends[-1] >= ends[-2] else count - 2
    return _Back(steps, last, float(ends[last]))


def alignment_score(log_probs: NDArray[np.float32], tokens: list[int], blank: int) -> float:
    """Log-probability of the best path that spells `tokens`; minus infinity where they do not fit."""
    if len(log_probs) < max(1, least_frames(tokens)):
        return -np.inf if tokens or len(log_probs) else 0.0
    states = np.full(2 * len(tokens) + 1, blank)
    states[1::2] = tokens
    return _steps_back(log_probs[:, states], _may_skip(states, blank)).score
