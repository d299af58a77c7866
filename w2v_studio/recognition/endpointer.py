"""Where speech begins, pauses and ends, from the probabilities of 32 ms blocks.

prob    .1 .9 .8 .9 .2 .1 .3 .9 .8 .1 .1 .1 .1 ...  .1 ...  .1
turn       START         PAUSE RESUME      PAUSE     PAUSE   END
"""

from __future__ import annotations

import enum

from w2v_studio.recognition.live_settings import SAMPLES_PER_MS, LiveSettings
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES


class Turn(enum.Enum):
    """What a block changed."""

    START = "speech began"
    PAUSE = "silence is long enough to look what was said, or to prepare the final text"
    RESUME = "speech goes on after such a pause"
    END = "silence is long enough to end the segment"
    FULL = "the segment has reached its greatest length"


class Endpointer:
    """Counts blocks from the start of the stream; all positions are samples of the stream."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Back to the start of a stream, in silence."""
        self._blocks = 0
        self._speech_block: int | None = None
        self._silence_block: int | None = None
        self._segment_block = 0
        self._probabilities: list[float] = []

    @property
    def position(self) -> int:
        """Samples seen."""
        return self._blocks * BLOCK_SAMPLES

    @property
    def is_speech(self) -> bool:
        """Whether a segment runs; short pauses belong to it."""
        return self._speech_block is not None

    @property
    def silence_samples(self) -> int:
        """Length of the running silence inside a segment, 0 in speech."""
        return 0 if self._silence_block is None else (self._blocks - self._silence_block) * BLOCK_SAMPLES

    @property
    def speech_start(self) -> int:
        """Where the running speech began; a cut does not change it."""
        return (self._speech_block or 0) * BLOCK_SAMPLES

    @property
    def speech_end(self) -> int:
        """Where its speech ends so far: the start of the running silence, else the newest sample."""
        return (self._blocks if self._silence_block is None else self._silence_block) * BLOCK_SAMPLES

    @property
    def is_long_enough(self) -> bool:
        """Whether there was enough speech to give text."""
        return self.speech_end - self.speech_start >= self._settings.min_speech_ms * SAMPLES_PER_MS

    def feed(self, probability: float) -> Turn | None:
        """Take the next block."""
        stage_before = self._pause_stage()
        block, self._blocks = self._blocks, self._blocks + 1
        if self._speech_block is None:
            if probability < self._settings.speech_on:
                return None
            self._speech_block = self._segment_block = block
            self._probabilities = [probability]
            return Turn.START
        self._probabilities.append(probability)
        return self._inside(block, probability, stage_before)

    def _inside(self, block: int, probability: float, stage_before: int) -> Turn | None:
        if probability >= self._settings.speech_on:
            self._silence_block = None
        elif probability < self._settings.speech_off and self._silence_block is None:
            self._silence_block = block
        if self.silence_samples >= self._settings.min_silence_ms * SAMPLES_PER_MS:
            return Turn.END
        if (self._blocks - self._segment_block) * BLOCK_SAMPLES >= self._settings.max_segment_s * 16000:
            return Turn.FULL
        stage = self._pause_stage()
        if stage > stage_before:
            return Turn.PAUSE
        return Turn.RESUME if stage < stage_before else None

    def _pause_stage(self) -> int:
        """How many of the silences that prepare the final text have passed."""
        silence = self.silence_samples
        return sum(silence >= ms * SAMPLES_PER_MS for ms in (self._settings.speculation_ms, self._settings.trailing_ms))

    def end(self) -> None:
        """Close the running segment."""
        self._speech_block = self._silence_block = None

    def cut(self) -> int:
        """Split the running segment: the part after the returned sample is the running segment from now on.

        That is the middle of its longest silence, or where speech is least likely in its last quarter.
        """
        start, stop = self._longest_silence()
        if (stop - start) * BLOCK_SAMPLES >= self._settings.min_cut_silence_ms * SAMPLES_PER_MS:
            place = (start + stop) // 2
        else:
            tail = len(self._probabilities) * 3 // 4
            place = min(range(tail, len(self._probabilities)), key=lambda block: self._probabilities[block])
        place = max(1, place)
        self._segment_block += place
        self._probabilities = self._probabilities[place:]
        if self._silence_block is not None:
            self._silence_block = max(self._silence_block, self._segment_block)
        return self._segment_block * BLOCK_SAMPLES

    def _longest_silence(self) -> tuple[int, int]:
        """Blocks [start, stop) of the segment; of equally long ones the last."""
        best, start = (0, 0), None
        for place, probability in enumerate([*self._probabilities, 1.0]):
            if probability < self._settings.speech_off:
                start = place if start is None else start
            elif start is not None:
                if place - start >= best[1] - best[0]:
                    best = (start, place)
                start = None
        return best
