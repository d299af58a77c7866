"""A whole recording to text.

Up to 20 s: one decode of all of it. Longer: one of each stretch of speech between pauses, as live recognition does
(speech_stretches.py), in constant memory. Models decode words in a row worse than words between pauses: 80 spoken
digits with 0.6 s between them, 48 % wrong as a whole and 11 % by stretches, with the bundled model.

As a whole, on request and for analysis, a long recording goes through in windows whose logits are joined:

window 0  |==================|..|                      = kept, . overlap whose logits are dropped
window 1                  |..|================|..|
window 2                                   |..|=======|

Models that normalise their input or have a group norm take the statistics of what one decode sees: of the stretch, or
of the recording up to 20 s. As a whole, the input is normalised over all of it and the group norm sees each window.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word, text_of
from w2v_studio.recognition.decoding.decoder import Decoder, build_decoder
from w2v_studio.recognition.decoding.settings import DecodingSettings
from w2v_studio.recognition.offset_removal import without_offset
from w2v_studio.recognition.quiet_speech import raised
from w2v_studio.recognition.sessions import Features, Recognizer
from w2v_studio.recognition.speech_stretches import Stretch, StretchFinder
from w2v_studio.recognition.voice_activity import BLOCK_SAMPLES, VoiceActivity

WINDOW_FRAMES = 1000
"""Most frames the context network sees at once: 20 s."""
OVERLAP_FRAMES = 100
"""Frames of context on each inner side of a window, 2 s: more than the 64 its positional convolution reaches."""
SILENCE_PEAK = 1e-4
"""A recording that never exceeds this (-80 dBFS) has no speech in it; models invent letters in digital silence."""
LEAST_SPEECH = 0.15
"""A short recording none of whose blocks has this probability of speech is noise, from which models invent letters too.
Noises and hum stay below 0.1, spoken digits in tight silence above."""

Span = tuple[int, int]
Waveform = NDArray[np.float32]
Cut = Literal["auto", "pauses", "never"]
"""Where to cut: at pauses if longer than a window, always at pauses, or not at all."""


@dataclass(frozen=True)
class Transcript:
    """Text and words of a recording; times in seconds from its start, never beyond `duration_s`.

    `passages` are the words of each decode, in order: of each stretch of speech, or of all.
    """

    text: str
    words: list[Word]
    duration_s: float
    passages: tuple[tuple[Word, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class FileAnalysis:
    """What the model makes of a recording, a row a frame: latents (T, C), code_ids (T, G), code_probs (T, G, V),

    logits (T, letters); words of the likeliest letters with times in seconds, and their text. `all_logits` (T, tokens)
    have the phones' columns too, where the model knows any, as decoders take them.
    """

    latents: NDArray[np.float32]
    code_ids: NDArray[np.int64]
    code_probs: NDArray[np.float32]
    logits: NDArray[np.float32]
    words: list[Word]
    text: str
    all_logits: NDArray[np.float32]


class Transcriber:
    """Makes transcripts, one recording after the other. Not for several threads at once.

    `decoder`: with the bundle's language model if it has one, unless given. With `cut` "never" the recording lies in
    memory as a whole, 250 MB an hour. `time_mask` (T,) hides frames of the recording from the context network.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        decoder: Decoder | None = None,
        cut: Cut = "auto",
        time_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        self._recognizer, self._cut, self._time_mask = recognizer, cut, time_mask
        self._decoder = decoder or build_decoder(recognizer.bundle)
        self._voice_activity: VoiceActivity | None = None
        self._samples = 0

    def transcribe(self, blocks: Iterable[Waveform]) -> Transcript:
        """Text of a recording given in blocks of any size, float32 at 16 kHz; their sizes change nothing."""
        self._samples = 0
        passages = tuple(tuple(words) for words in self._passages(self._counted(blocks)) if words)
        words = list(itertools.chain.from_iterable(passages))
        return Transcript(text_of(words), words, self._samples / self._recognizer.bundle.card.sample_rate, passages)

    def _passages(self, blocks: Iterator[Waveform]) -> Iterator[list[Word]]:
        longest = {"auto": self._recognizer.grid.samples(WINDOW_FRAMES), "pauses": 0, "never": None}[self._cut]
        held: list[Waveform] = []
        for block in blocks:
            held.append(block)
            if longest is not None and self._samples > longest:
                yield from self._by_stretches(itertools.chain(held, blocks))
                return
        waveform = np.concatenate(held) if held else np.zeros(0, np.float32)
        yield self._whole(waveform)

    def _by_stretches(self, blocks: Iterator[Waveform]) -> Iterator[list[Word]]:
        finder = StretchFinder(self._judge(), self._recognizer.grid)
        yield from map(self._words_of, finder.find(blocks))

    def _judge(self) -> VoiceActivity:
        if self._voice_activity is None:
            self._voice_activity = VoiceActivity()
        return self._voice_activity

    def _has_speech(self, waveform: Waveform) -> bool:
        """Whether any block may be speech, however quiet; after the first one the rest is not looked at."""
        judge = self._judge()
        judge.reset()
        padded = np.pad(raised(waveform), (0, -len(waveform) % BLOCK_SAMPLES))
        return any(judge.probability(block) >= LEAST_SPEECH for block in padded.reshape(-1, BLOCK_SAMPLES))

    def _words_of(self, stretch: Stretch) -> list[Word]:
        recognizer, samples = self._recognizer, stretch.samples
        start_s = recognizer.bundle.stride_s * stretch.first_frame
        end_s = start_s + len(samples) / recognizer.bundle.card.sample_rate
        if stretch.is_end and recognizer.caches_features:
            samples = recognizer.grid.pad_tail(samples)
        latents = recognizer.features(raised(samples)).latents
        if len(latents) == 0:
            return []
        seen = slice(stretch.first_frame, stretch.first_frame + len(latents))
        mask = None if self._time_mask is None else self._time_mask[seen]
        logits = recognizer.context(latents[: len(latents) if mask is None else len(mask)], mask).logits
        return _until(self._decoder.decode(logits, stretch.first_frame), end_s)

    def _whole(self, waveform: Waveform) -> list[Word]:
        if len(waveform) < self._recognizer.grid.field or np.abs(waveform).max() < SILENCE_PEAK:
            return []
        if self._cut == "auto" and not self._has_speech(waveform):
            return []
        logits = np.concatenate([logits for _, logits in _windows(self._recognizer, waveform, self._time_mask)])
        duration_s = len(waveform) / self._recognizer.bundle.card.sample_rate
        return _until(self._decoder.decode(logits), duration_s)

    def _counted(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        for block in blocks:
            self._samples += len(block)
            yield block


def transcribe(
    recognizer: Recognizer, waveform: Waveform, decoder: Decoder | None = None, cut: Cut = "auto"
) -> Transcript:
    """Text of `waveform` (samples,), float32 at 16 kHz. Silent and very short recordings give no words."""
    return Transcriber(recognizer, decoder, cut).transcribe([without_offset(waveform)])


def analyse(recognizer: Recognizer, waveform: Waveform, time_mask: NDArray[np.bool_] | None = None) -> FileAnalysis:
    """All that the two graphs say about `waveform`; `time_mask` (T,) hides frames from the context network.

    T is `frame_count(recognizer, samples)`. Raises ValueError for a mask of another length.
    """
    waveform = without_offset(waveform)
    frames = frame_count(recognizer, len(waveform))
    if time_mask is not None and len(time_mask) != frames:
        raise ValueError(f"the mask has {len(time_mask)} frames, the recording {frames}: draw it again")
    if frames == 0:
        nothing = recognizer.features(waveform)
        none = np.zeros((0, recognizer.bundle.tokens), np.float32)
        return FileAnalysis(
            nothing.latents, nothing.code_ids, nothing.code_probs, recognizer.bundle.letters(none), [], "", none
        )
    parts = list(_windows(recognizer, waveform, time_mask))
    logits = np.concatenate([logits for _, logits in parts])
    words: list[Word] = []
    if np.abs(waveform).max() >= SILENCE_PEAK:
        duration_s = len(waveform) / recognizer.bundle.card.sample_rate
        words = _until(build_decoder(recognizer.bundle, DecodingSettings("greedy")).decode(logits), duration_s)
    return FileAnalysis(
        np.concatenate([features.latents for features, _ in parts]),
        np.concatenate([features.code_ids for features, _ in parts]),
        np.concatenate([features.code_probs for features, _ in parts]),
        recognizer.bundle.letters(logits),
        words,
        text_of(words),
        logits,
    )


def frame_count(recognizer: Recognizer, samples: int) -> int:
    """Frames that `analyse` gives for a recording of that many samples."""
    grid = recognizer.grid
    return grid.count(samples + (grid.padding(samples) if recognizer.caches_features else 0))


def window_spans(frames: int, window: int = WINDOW_FRAMES, overlap: int = OVERLAP_FRAMES) -> list[tuple[Span, Span]]:
    """(seen, kept) frame spans: kept ones join without gap, seen ones are at most `window` long.

    Windows are equally long but for a frame, so that none is a stub without context.
    """
    if frames <= window:
        return [((0, frames), (0, frames))]
    count = -(-(frames - 2 * overlap) // (window - 2 * overlap))
    inner = frames - 2 * overlap
    edges = [0, *(overlap + inner * place // count for place in range(1, count)), frames]
    return [
        ((max(0, start - overlap), min(frames, stop + overlap)), (start, stop))
        for start, stop in itertools.pairwise(edges)
    ]


def _windows(
    recognizer: Recognizer, waveform: Waveform, time_mask: NDArray[np.bool_] | None
) -> Iterator[tuple[Features, NDArray[np.float32]]]:
    """Features and logits of the kept frames of each window."""
    grid = recognizer.grid
    prepared = recognizer.normalized(raised(grid.pad_tail(waveform) if recognizer.caches_features else waveform))
    frames = grid.count(len(prepared))
    for (first, last), (start, stop) in window_spans(frames):
        end = grid.stride * first + grid.samples(last - first)
        # The last window keeps samples beyond its last frame, as a group norm takes them into account.
        seen = prepared[grid.stride * first : end if stop < frames else None]
        features = recognizer.features(seen, is_normalized=True)
        mask = None if time_mask is None else time_mask[first:last]
        logits = recognizer.context(features.latents, mask).logits
        kept = slice(start - first, stop - first)
        yield (
            Features(features.latents[kept], features.code_ids[kept], features.code_probs[kept]),
            logits[kept],
        )


def _until(words: list[Word], end_s: float) -> list[Word]:
    """Words, their times cut at the end of the sound (the last frame may reach into the padding)."""
    return [replace(word, start_s=min(word.start_s, end_s), end_s=min(word.end_s, end_s)) for word in words]
