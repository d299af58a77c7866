"""What live recognition reports, in the order it happens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word


@dataclass(frozen=True, eq=False)
class FramesUpdate:
    """New frames of the stream; frame f covers samples [320 f, 320 f + 400).

    `code_ids` is (frames, groups), `time_mask` (frames,) is True where the model's masking rule would mask.
    """

    first_frame: int
    code_ids: NDArray[np.int64]
    time_mask: NDArray[np.bool_]


@dataclass(frozen=True)
class SpeechUpdate:
    """Speech began or ended at `time_s` seconds of the stream."""

    is_speech: bool
    time_s: float


@dataclass(frozen=True)
class PartialUpdate:
    """The running segment so far: `committed` only ever grows, `unstable` may change with every update."""

    segment: int
    committed: str
    unstable: str


@dataclass(frozen=True)
class FinalUpdate:
    """The text of a finished segment, which replaces its partial text. Times are seconds of the stream.

    [start_s, end_s) is the stretch of audio that was decoded.
    """

    segment: int
    text: str
    words: list[Word]
    start_s: float
    end_s: float


@dataclass(frozen=True)
class SlowUpdate:
    """The machine began to be too slow to keep up, or has caught up. No sound is dropped either way.

    While `is_slow` there are final texts only, `behind_s` seconds late and more. `load` is processing time over sound,
    `reason` a sentence with the remedy ("" when caught up).
    """

    is_slow: bool
    behind_s: float
    load: float
    reason: str


LiveUpdate = FramesUpdate | SpeechUpdate | PartialUpdate | FinalUpdate | SlowUpdate
