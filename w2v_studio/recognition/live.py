"""Samples in, words out, while somebody speaks.

                 block of 512 samples
                          |
        +-----------------+------------------+
        v                                    v
  voice activity                     frames (cached) ---> FramesUpdate: codes and mask, also in silence
        |
   endpointer --- speech goes on: every hop, decode the last 8 s      ---> PartialUpdate: committed + unstable
        |
        +-------- short pause: decode the whole segment in advance, and again with more of the silence
        +-------- long pause: that decode is the final text           ---> FinalUpdate

Two texts of a segment: what is committed in partial updates stays on the screen unchanged while the segment runs, and
the final text, decoded once with the context of the whole segment, then replaces it. As a decode with more context
may read a word differently, the final text can differ from the committed words; the final text is what counts.

Everything happens in blocks counted from the start of the stream, so chunks of any size give the same updates. With
`adaptive_hop` the clock also decides when partial texts come, never what is final.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.masking import LiveSpanMask
from engine.text.ctc import Word, decode_words, text_of
from w2v_studio.recognition.commitment import CommitRule
from w2v_studio.recognition.endpointer import Endpointer, Turn
from w2v_studio.recognition.live_features import live_features
from w2v_studio.recognition.live_settings import SAMPLES_PER_MS, LiveSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import FinalUpdate, FramesUpdate, LiveUpdate, PartialUpdate, SpeechUpdate
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

__all__ = [
    "FinalUpdate",
    "FramesUpdate",
    "LiveRecognizer",
    "LiveSettings",
    "LiveUpdate",
    "PartialUpdate",
    "SpeechUpdate",
]

KEPT_FRAMES = 100
"""Frames kept in silence, 2 s: more than any pre-roll reaches back."""
LEAVING_S = 2.0
"""Words this near to the left edge of a sliding window are committed before it cuts them."""


@dataclass
class Segment:
    """A running stretch of speech. `first_frame` counts from the start of the stream."""

    number: int
    first_frame: int
    rule: CommitRule
    decoded_at: int
    shown: tuple[str, str] = ("", "")
    prepared: FinalUpdate | None = field(default=None)


class LiveRecognizer:
    """One stream of sound. Segments are numbered from 0. Not for several threads at once.

    `voice_activity` must belong to this stream alone, as it has a state. `mask_seed` seeds the displayed mask; `clock`
    (seconds) measures decodes for the adaptive hop.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        voice_activity: VoiceActivity,
        settings: LiveSettings | None = None,
        mask_seed: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings = LiveSettings.for_provider(recognizer.provider) if settings is None else settings
        self._recognizer, self._voice_activity = recognizer, voice_activity
        card = recognizer.bundle.card
        self._mask = LiveSpanMask(card.mask_prob, card.mask_length, card.mask_min_spans, mask_seed)
        self._endpointer = Endpointer(self.settings)
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything and start a new stream at sample, frame and segment 0."""
        self._voice_activity.reset()
        self._mask.reset()
        self._endpointer.reset()
        self._features = live_features(self._recognizer)
        self._pending = np.zeros(0, np.float32)
        self._advanced_at = 0
        self._hop = self.settings.next_hop_samples(0.0)
        self._segment: Segment | None = None
        self._segments = 0
        self._settled_frame = 0
        self._is_ended = False

    @property
    def hop_s(self) -> float:
        """Seconds of new audio between two partial decodes now; grows on a machine that is too slow."""
        return self._hop / self._recognizer.bundle.card.sample_rate

    def feed(self, samples: NDArray[np.float32]) -> list[LiveUpdate]:
        """Take the next samples (any number, float32 at 16 kHz); what they changed, in order.

        After flush() this starts a new stream, as reset() does.
        """
        if self._is_ended:
            self.reset()
        updates: list[LiveUpdate] = []
        pending = np.concatenate((self._pending, samples.astype(np.float32, copy=False)))
        whole = len(pending) - len(pending) % BLOCK_SAMPLES
        for start in range(0, whole, BLOCK_SAMPLES):
            self._take_block(pending[start : start + BLOCK_SAMPLES], updates)
        self._pending = pending[whole:].copy()
        return updates

    def flush(self) -> list[LiveUpdate]:
        """The stream ends here: frames of the last samples, and the final text of a running segment."""
        updates: list[LiveUpdate] = []
        if self._is_ended:
            return updates
        end = self._features.samples + len(self._pending)
        self._features.push(self._pending)
        self._features.finish()
        self._advance(updates)
        self._is_ended = True
        segment, self._segment = self._segment, None
        if self._endpointer.is_speech:
            updates.append(self._speech_update(False, self._endpointer.speech_end))
        if segment is not None and self._endpointer.is_long_enough:
            updates.append(self._final(segment, self._features.frames, end))
        return updates

    def _take_block(self, block: NDArray[np.float32], updates: list[LiveUpdate]) -> None:
        self._features.push(block)
        turn = self._endpointer.feed(self._voice_activity.probability(block))
        is_due = self._endpointer.position - self._advanced_at >= self._features.cadence_samples
        if is_due or turn in (Turn.PAUSE, Turn.END, Turn.FULL):
            self._advance(updates)
        if turn is Turn.START:
            updates.append(self._speech_update(True, self._endpointer.speech_start))
            self._begin()
        elif turn is Turn.PAUSE:
            self._prepare(updates)
        elif turn is Turn.RESUME and self._segment is not None:
            self._segment.prepared = None
        elif turn is Turn.END:
            self._end(updates)
        elif turn is Turn.FULL:
            self._cut(updates)
        if self._is_decode_due():
            self._decode_partial(updates)

    def _advance(self, updates: list[LiveUpdate]) -> None:
        """Compute the frames that are ready, and forget those that nobody will ask for."""
        first = self._features.frames
        codes = self._features.advance()
        self._advanced_at = self._endpointer.position
        if len(codes):
            updates.append(FramesUpdate(first, codes, self._mask.take(len(codes))))
        needed = self._features.frames - KEPT_FRAMES
        self._features.forget(needed if self._segment is None else min(needed, self._segment.first_frame))

    def _begin(self) -> None:
        """Open a segment a little before the detected speech, but not inside the one before."""
        start = self._endpointer.speech_start - self.settings.pre_roll_ms * SAMPLES_PER_MS
        first = max(self._settled_frame, start // self._recognizer.grid.stride, 0)
        rule = CommitRule(self.settings.commit_distance_ms / 1000)
        self._segment = Segment(self._segments, first, rule, self._endpointer.speech_start)

    def _is_decode_due(self) -> bool:
        if self._segment is None or self._endpointer.is_pausing or not self._endpointer.is_long_enough:
            return False
        return self._endpointer.position - self._segment.decoded_at >= self._hop

    def _decode_partial(self, updates: list[LiveUpdate]) -> None:
        """Decode the last seconds of the segment, and let the commit rule judge the words."""
        segment = self._segment
        assert segment is not None
        if self._advanced_at != self._endpointer.position:
            self._advance(updates)
        began = self._clock()
        stride_s = self._recognizer.bundle.stride_s
        last = self._features.frames
        first = max(segment.first_frame, last - round(self.settings.window_s / stride_s))
        words = self._decode(first, last)
        leaving_s = first * stride_s + LEAVING_S if first > segment.first_frame else 0.0
        segment.rule.update(words, last * stride_s, leaving_s)
        segment.decoded_at = self._endpointer.position
        self._hop = self.settings.next_hop_samples(self._clock() - began)
        self._show(segment, updates)

    def _prepare(self, updates: list[LiveUpdate]) -> None:
        """Make the final text in advance; it also counts as a decode for the commit rule."""
        segment = self._segment
        if segment is None or not self._endpointer.is_long_enough:
            return
        segment.prepared = self._final(segment, self._features.frames, self._endpointer.position)
        segment.rule.update(segment.prepared.words, self._features.frames * self._recognizer.bundle.stride_s)
        segment.decoded_at = self._endpointer.position
        self._show(segment, updates)

    def _end(self, updates: list[LiveUpdate]) -> None:
        """The segment is over; sounds too short for speech leave nothing."""
        updates.append(self._speech_update(False, self._endpointer.speech_end))
        segment, self._segment = self._segment, None
        if segment is not None and self._endpointer.is_long_enough:
            final = segment.prepared or self._final(segment, self._features.frames, self._endpointer.position)
            updates.append(final)
            self._settled_frame = round(final.end_s / self._recognizer.bundle.stride_s)
            self._segments += 1
        self._endpointer.end()

    def _cut(self, updates: list[LiveUpdate]) -> None:
        """Finish the first part of a segment that has grown too long, and go on with the rest."""
        segment = self._segment
        assert segment is not None
        cut = self._endpointer.cut()
        frame = min(cut // self._recognizer.grid.stride, self._features.frames)
        later = segment.rule.split(frame * self._recognizer.bundle.stride_s)
        updates.append(self._final(segment, frame, self._endpointer.position))
        self._segments += 1
        self._settled_frame = frame
        self._segment = Segment(self._segments, frame, later, segment.decoded_at)
        self._show(self._segment, updates)

    def _final(self, segment: Segment, last_frame: int, end_sample: int) -> FinalUpdate:
        """One decode of the whole segment up to `last_frame`; times not beyond `end_sample`."""
        grid, rate = self._recognizer.grid, self._recognizer.bundle.card.sample_rate
        start = grid.stride * segment.first_frame
        stop = min(start + grid.samples(last_frame - segment.first_frame), end_sample)
        words = self._decode(segment.first_frame, last_frame)
        words = [replace(word, end_s=min(word.end_s, stop / rate)) for word in words]
        return FinalUpdate(segment.number, text_of(words), words, start / rate, stop / rate)

    def _decode(self, first: int, last: int) -> list[Word]:
        """Words of frames [first, last), times in seconds of the stream."""
        if last <= first:
            return []
        bundle = self._recognizer.bundle
        logits = self._recognizer.context(self._features.latents(first, last)).logits
        return decode_words(logits, bundle.vocabulary, bundle.stride_s, first * bundle.stride_s)

    def _show(self, segment: Segment, updates: list[LiveUpdate]) -> None:
        """A partial update where the text on the screen would change."""
        if segment.rule.texts != segment.shown:
            segment.shown = segment.rule.texts
            updates.append(PartialUpdate(segment.number, *segment.shown))

    def _speech_update(self, is_speech: bool, sample: int) -> SpeechUpdate:
        return SpeechUpdate(is_speech, sample / self._recognizer.bundle.card.sample_rate)
