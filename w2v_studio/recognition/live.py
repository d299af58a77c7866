"""Samples in, words out, while somebody speaks.

                 block of 512 samples, a constant offset taken out
                          |
        +-----------------+------------------+
        v                                    v
  voice activity                     frames (cached) ---> FramesUpdate: codes and mask, where somebody shows them
        |
   endpointer --- speech goes on: every hop, decode the last seconds  ---> PartialUpdate: committed + unstable
        |
        +-------- 128 ms of silence: the same, without waiting for the hop
        +-------- 256 ms of silence: decode the whole segment in advance
        +-------- 400 ms of silence: that decode is the final text    ---> FinalUpdate

Two texts of a segment: what is committed in partial updates stays on the screen unchanged while the segment runs, and
the final text, decoded once with the context of the whole segment, then replaces it. As a decode with more context
may read a word differently, the final text can differ from the committed words; the final text is what counts.

Everything happens in blocks counted from the start of the stream, so chunks of any size give the same updates. With
`adaptive_hop` the clock also decides when partial texts come and how much they see, never what is final.

In silence without `show_codes` no graph runs but voice activity: frames are computed when speech begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.masking import LiveSpanMask
from engine.text.ctc import Word, text_of
from w2v_studio.recognition.commitment import CommitRule
from w2v_studio.recognition.decoding.decoder import LiveDecoders, build_live_decoders
from w2v_studio.recognition.endpointer import Endpointer, Turn
from w2v_studio.recognition.live_features import live_features
from w2v_studio.recognition.live_settings import SAMPLES_PER_MS, LiveSettings
from w2v_studio.recognition.offset_removal import OffsetRemoval
from w2v_studio.recognition.pace import Pace
from w2v_studio.recognition.segment import Segment
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import (
    FinalUpdate,
    FramesUpdate,
    LiveUpdate,
    PartialUpdate,
    SlowUpdate,
    SpeechUpdate,
)
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

__all__ = [
    "FinalUpdate",
    "FramesUpdate",
    "LiveRecognizer",
    "LiveSettings",
    "LiveUpdate",
    "PartialUpdate",
    "SlowUpdate",
    "SpeechUpdate",
]

KEPT_FRAMES = 100
"""Frames kept in silence, 2 s: more than any pre-roll reaches back."""
QUIET_BLOCKS = 5
"""Blocks taken at once in silence, 160 ms: waking up for each costs three times the computing. The pre-roll, longer
than that, has the sound before.
"""
SEAM_S = 0.5
"""Words this near to where the next window may begin are committed before it cuts them."""


class LiveRecognizer:
    """One stream of sound. Segments are numbered from 0. Not for several threads at once.

    `voice_activity` must belong to this stream alone, as it has a state. `mask_seed` seeds the displayed mask; `clock`
    (seconds) measures how fast the machine is. `decoders` make the texts, with the bundle's language model if it
    has one unless others are given.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        voice_activity: VoiceActivity,
        settings: LiveSettings | None = None,
        mask_seed: int = 0,
        clock: Callable[[], float] = time.perf_counter,
        decoders: LiveDecoders | None = None,
    ) -> None:
        self.settings = LiveSettings.for_provider(recognizer.provider) if settings is None else settings
        self.show_codes = self.settings.show_codes
        """Whether FramesUpdates are wanted; may be changed at any time."""
        self._recognizer, self._voice_activity, self._clock = recognizer, voice_activity, clock
        self._decoders = decoders or build_live_decoders(recognizer.bundle)
        card = recognizer.bundle.card
        self._stride_s, self._rate = recognizer.bundle.stride_s, card.sample_rate
        self._mask = LiveSpanMask(card.mask_prob, card.mask_length, card.mask_min_spans, mask_seed)
        self._endpointer = Endpointer(self.settings)
        self._offset, self._features = OffsetRemoval(), live_features(recognizer)
        self._pace = Pace(self.settings)
        self.reset()

    def reset(self) -> None:
        """Forget everything and start a new stream at sample, frame and segment 0."""
        stages = (self._offset, self._voice_activity, self._mask, self._endpointer, self._features, self._pace)
        for stage in stages:
            stage.reset()
        self._pending = np.zeros(0, np.float32)
        self._advanced_at = 0
        self._segment: Segment | None = None
        self._segments = 0
        self._settled_frame = 0
        self._is_ended = False

    @property
    def hop_s(self) -> float:
        """Seconds of new audio between two partial decodes now; grows on a machine that is too slow."""
        return self._pace.hop_s

    @property
    def window_s(self) -> float:
        """Most seconds that a partial decode sees now; shrinks on a machine that is too slow for a longer hop."""
        return self._pace.window_s

    def feed(self, samples: NDArray[np.float32]) -> list[LiveUpdate]:
        """Take the next samples (any number, float32 at 16 kHz); what they changed, in order.

        After flush() this starts a new stream, as reset() does.
        """
        if self._is_ended:
            self.reset()
        updates: list[LiveUpdate] = []
        self._pending = np.concatenate((self._pending, samples.astype(np.float32, copy=False)))
        self._take_blocks(updates, QUIET_BLOCKS)
        return updates

    def _take_blocks(self, updates: list[LiveUpdate], in_silence: int) -> None:
        """Take whole blocks, in silence without codes `in_silence` at once or none."""
        start, ready = 0, len(self._pending) // BLOCK_SAMPLES
        while ready > 0:
            is_quiet = self._segment is None and not self.show_codes
            if is_quiet and ready < in_silence:
                break
            for _ in range(in_silence if is_quiet else 1):
                began = self._clock()
                self._take_block(self._pending[start : start + BLOCK_SAMPLES], updates)
                start, ready = start + BLOCK_SAMPLES, ready - 1
                took_s, in_speech = self._clock() - began, self._segment is not None
                slow = self._pace.heard(BLOCK_SAMPLES / self._rate, took_s, in_speech=in_speech)
                if slow is not None:
                    updates.append(slow)
        self._pending = self._pending[start:].copy()

    def flush(self) -> list[LiveUpdate]:
        """The stream ends here: frames of the last samples, and the final text of a running segment."""
        updates: list[LiveUpdate] = []
        if self._is_ended:
            return updates
        self._take_blocks(updates, 1)
        end = self._features.samples + len(self._pending)
        self._features.push(self._offset.rest(self._pending))
        self._features.finish()
        if self.show_codes or self._segment is not None:
            self._advance(updates)
        self._is_ended = True
        segment, self._segment = self._segment, None
        if self._endpointer.is_speech:
            updates.append(self._speech_update(False, self._endpointer.speech_end))
        if segment is not None and self._endpointer.is_long_enough:
            updates.append(self._final(segment, self._features.frames, end))
        return updates

    def _take_block(self, block: NDArray[np.float32], updates: list[LiveUpdate]) -> None:
        block = self._offset.take(block)
        self._features.push(block)
        turn = self._endpointer.feed(self._voice_activity.probability(block))
        self._keep_up_with_display(updates)
        if turn is Turn.START:
            updates.append(self._speech_update(True, self._endpointer.speech_start))
            self._begin()
        elif turn is Turn.PAUSE:
            self._pause(updates)
        elif turn is Turn.RESUME and self._segment is not None:
            self._segment.resume()
        elif turn is Turn.END:
            self._end(updates)
        elif turn is Turn.FULL:
            self._cut(updates)
        if self._is_decode_due():
            self._decode_partial(updates, goes_on=True)

    def _keep_up_with_display(self, updates: list[LiveUpdate]) -> None:
        """Compute frames that are shown; of those that nobody shows, only keep what a pre-roll may need."""
        if self.show_codes:
            if self._endpointer.position - self._advanced_at >= self._features.cadence_samples:
                self._advance(updates)
        elif self._segment is None:
            self._features.skip(self._recognizer.grid.count(self._features.samples) - KEPT_FRAMES)

    def _advance(self, updates: list[LiveUpdate]) -> None:
        """Compute the frames that are ready, and forget those that nobody will ask for."""
        first = self._features.frames
        codes = self._features.advance(with_codes=self.show_codes)
        self._advanced_at = self._endpointer.position
        if len(codes) and self.show_codes:
            updates.append(FramesUpdate(first, codes, self._mask.take(len(codes))))
        needed = self._features.frames - KEPT_FRAMES
        self._features.forget(needed if self._segment is None else min(needed, self._segment.first_frame))

    def _advance_to_now(self, updates: list[LiveUpdate]) -> None:
        if self._advanced_at != self._endpointer.position:
            self._advance(updates)

    def _begin(self) -> None:
        """Open a segment a little before the detected speech, but not inside the one before."""
        start = self._endpointer.speech_start - self.settings.pre_roll_ms * SAMPLES_PER_MS
        first = max(self._settled_frame, start // self._recognizer.grid.stride, 0)
        self._features.begin(first)
        self._segment = Segment(self._segments, first, self._commit_rule(), self._endpointer.speech_start)

    def _commit_rule(self) -> CommitRule:
        """For decoders that go on behind committed words, and so never read these again: the sure ones first."""
        going_on, given = self._decoders.going_on, self.settings
        sure = given.commit_confidence if going_on is not None and going_on.is_calibrated else 0.0
        return CommitRule(given.commit_distance_ms / 1000, sure, given.commit_patience_ms / 1000)

    def _is_decode_due(self) -> bool:
        segment = self._segment
        if segment is None:
            return False
        segment.is_late = segment.is_late or self._pace.is_slow
        if segment.is_late or not self._endpointer.is_long_enough:
            return False
        if self._endpointer.silence_samples:  # then it comes with the pause, or when speech goes on
            return False
        return self._endpointer.position - segment.decoded_at >= round(self._pace.hop_s * self._rate)

    def _fits_before_final(self) -> bool:
        """Whether a partial decode in this silence would be done when the final one is due; that must not wait."""
        silence_ms = self._endpointer.silence_samples / SAMPLES_PER_MS
        return self._pace.fits(self.settings.final_pause_ms - silence_ms)

    def _decode_partial(self, updates: list[LiveUpdate], *, goes_on: bool) -> None:
        """Decode the last seconds of the segment, and let the commit rule judge the words.

        Whether the speech `goes_on` behind them: its last word may be unfinished then.
        """
        segment = self._segment
        assert segment is not None
        began = self._clock()
        self._advance_to_now(updates)
        last, window_s = self._features.frames, self._pace.window_s
        first = self._window_start(segment, last)
        edge_s, start_s = last * self._stride_s, first * self._stride_s
        # Where the next window may begin at the latest, if it is as long as this one.
        next_s = edge_s - window_s + min(self.settings.max_hop_ms / 1000, window_s / 4)
        leaving_s = next_s + min(SEAM_S, window_s / 4) if next_s > segment.first_frame * self._stride_s else 0.0
        gone_s = start_s if first > segment.first_frame else 0.0
        segment.rule.leave(gone_s)
        words, is_rest = self._partial_words(segment.rule.committed, first, last, goes_on)
        segment.rule.update(words, edge_s, leaving_s, gone_s, goes_on=is_rest)
        segment.decoded_at = self._endpointer.position
        self._pace.decoded(self._clock() - began, edge_s - start_s)
        self._show(segment, updates)

    def _partial_words(self, committed: list[Word], first: int, last: int, goes_on: bool) -> tuple[list[Word], bool]:
        """Words of a window of frames, and whether they are only those behind the committed words.

        A decoder that can go on saves what is settled already, and knows the words before.
        """
        if last <= first:
            return [], False
        logits = self._recognizer.context(self._features.latents(first, last)).logits
        decoder = self._decoders.going_on
        if decoder is None:
            return self._decoders.partial.decode(logits, first), False
        settled = round(committed[-1].end_s / self._stride_s) if committed else first
        if not first <= settled <= last:
            return decoder.decode_on(logits, first, (), is_whole=not goes_on), False
        before = [word.word for word in committed]
        return decoder.decode_on(logits[settled - first :], settled, before, is_whole=not goes_on), bool(committed)

    def _window_start(self, segment: Segment, last: int) -> int:
        """First frame of a partial decode up to `last`: what may still change, and enough context before it."""
        first = max(segment.first_frame, last - round(self._pace.window_s / self._stride_s))
        if segment.rule.committed:
            settled_s = segment.rule.committed[-1].end_s
            first = max(first, int((settled_s - self.settings.left_context_s) / self._stride_s))
        return first

    def _pause(self, updates: list[LiveUpdate]) -> None:
        """A short silence: show what was said, and after a longer one make the final text in advance."""
        segment = self._segment
        if segment is None or not self._endpointer.is_long_enough:
            return
        if self._endpointer.silence_samples < self.settings.final_pause_ms * SAMPLES_PER_MS:
            if not segment.is_late and self._fits_before_final():
                self._decode_partial(updates, goes_on=False)
            return
        self._advance_to_now(updates)
        segment.final_extent = self._features.frames, self._endpointer.position
        if self._pace.is_slow:  # then not in advance, as speech may resume; the same frames make the final text
            return
        segment.prepared = self._final(segment, *segment.final_extent)
        segment.rule.update(segment.prepared.words, self._features.frames * self._stride_s)
        segment.decoded_at = self._endpointer.position
        self._show(segment, updates)

    def _end(self, updates: list[LiveUpdate]) -> None:
        """The segment is over; sounds too short for speech leave nothing."""
        segment = self._segment
        if segment is not None and segment.final_extent is None:
            self._advance_to_now(updates)
        self._segment = None
        updates.append(self._speech_update(False, self._endpointer.speech_end))
        if segment is not None and self._endpointer.is_long_enough:
            final = segment.prepared
            if final is None:
                extent = segment.final_extent or (self._features.frames, self._endpointer.position)
                final = self._final(segment, *extent)
            updates.append(final)
            self._settled_frame = round(final.end_s / self._stride_s)
            self._segments += 1
        self._endpointer.end()

    def _cut(self, updates: list[LiveUpdate]) -> None:
        """Finish the first part of a segment that has grown too long, and go on with the rest."""
        segment = self._segment
        assert segment is not None
        self._advance_to_now(updates)
        cut = self._endpointer.cut()
        frame = min(cut // self._recognizer.grid.stride, self._features.frames)
        later = segment.rule.split(frame * self._stride_s)
        updates.append(self._final(segment, frame, self._endpointer.position))
        self._segments += 1
        self._settled_frame = frame
        self._segment = Segment(self._segments, frame, later, segment.decoded_at)
        self._show(self._segment, updates)

    def _final(self, segment: Segment, last_frame: int, end_sample: int) -> FinalUpdate:
        """One decode of the whole segment up to `last_frame`; times not beyond `end_sample`."""
        grid, first = self._recognizer.grid, segment.first_frame
        start = grid.stride * first
        stop = min(start + grid.samples(last_frame - first), end_sample)
        words = []
        if last_frame > first:
            logits = self._recognizer.context(self._features.exact_latents(first, last_frame)).logits
            words = self._decoders.final.decode(logits, first)
        words = [replace(word, end_s=min(word.end_s, stop / self._rate)) for word in words]
        return FinalUpdate(segment.number, text_of(words), words, start / self._rate, stop / self._rate)

    def _show(self, segment: Segment, updates: list[LiveUpdate]) -> None:
        """A partial update where the text on the screen would change."""
        if segment.rule.texts != segment.shown:
            segment.shown = segment.rule.texts
            updates.append(PartialUpdate(segment.number, *segment.shown))

    def _speech_update(self, is_speech: bool, sample: int) -> SpeechUpdate:
        return SpeechUpdate(is_speech, sample / self._rate)
