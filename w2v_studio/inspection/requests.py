"""What is computed off the GUI thread: frozen requests that hold all they need, and numbered answers. No Qt.

A request is callable anywhere through `answer()`. Its number comes back with the answer, so that whoever asked again
meanwhile recognises a stale one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.masking import Mask
from engine.text.ctc import Word
from w2v_studio.audio.files import read_audio
from w2v_studio.inspection.analysis import (
    CodeUsage,
    Floats,
    Ids,
    Spectrogram,
    code_usage,
    letter_probabilities,
    likely_tokens,
    spectrogram,
)
from w2v_studio.inspection.clip import Clip, Page, make_clip
from w2v_studio.inspection.spoken_phones import spoken_phones
from w2v_studio.recognition.decoding.decoder import build_decoder, mode_used
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings
from w2v_studio.recognition.offset_removal import without_offset
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import FileAnalysis, Transcriber, analyse


@dataclass(frozen=True)
class Letters:
    """What the context network reads: `probabilities` (frames, letters), and the words; times are of the recording.

    `phones` are those by which the words were found, of a model that knows any; without a lexicon the likeliest ones.
    """

    probabilities: Floats
    words: tuple[Word, ...]
    phones: tuple[Word, ...] = ()

    @property
    def path(self) -> Ids:
        """The likeliest token of each frame, (frames,)."""
        best: Ids = self.probabilities.argmax(axis=-1).astype(np.int64)
        return best


@dataclass(frozen=True)
class ClipAnswer:
    """The decoded recording; `warning` says what of the file is missing, "" where nothing is."""

    number: int
    clip: Clip
    warning: str = ""


@dataclass(frozen=True)
class SpectrogramAnswer:
    """The picture of a page."""

    number: int
    spectrogram: Spectrogram


@dataclass(frozen=True)
class CodesAnswer:
    """A page through both graphs, nothing masked. `code_ids` (frames, groups)."""

    number: int
    code_ids: Ids = field(repr=False)
    usage: CodeUsage = field(repr=False)
    letters: Letters = field(repr=False)


@dataclass(frozen=True)
class MaskedAnswer:
    """What the context network infers where `mask` (frames,) hides the latents."""

    number: int
    mask: Mask = field(repr=False)
    letters: Letters = field(repr=False)


Answer = ClipAnswer | SpectrogramAnswer | CodesAnswer | MaskedAnswer


@dataclass(frozen=True)
class ClipRequest:
    """Read and decode a file."""

    number: int
    path: Path

    def answer(self) -> ClipAnswer:
        """Raises what `read_audio` raises, and ClipError for a recording without a frame."""
        warnings: list[str] = []
        clip = make_clip(self.path, read_audio(self.path, warnings.append))
        return ClipAnswer(self.number, clip, " ".join(warnings))


@dataclass(frozen=True)
class SpectrogramRequest:
    """Draw a page of the waveform, (samples,)."""

    number: int
    waveform: Floats = field(repr=False)

    def answer(self) -> SpectrogramAnswer:
        """The spectrogram."""
        return SpectrogramAnswer(self.number, spectrogram(self.waveform))


@dataclass(frozen=True)
class CodesRequest:
    """Run both graphs on a page of the waveform, (samples,)."""

    number: int
    recognizer: Recognizer = field(repr=False)
    page: Page
    waveform: Floats = field(repr=False)

    def answer(self) -> CodesAnswer:
        """Codes, their usage, and the letters without a mask."""
        analysis = analyse(self.recognizer, self.waveform)
        usage = code_usage(analysis.code_ids, analysis.code_probs)
        letters = letters_of(self.recognizer, self.waveform, analysis, self.page)
        return CodesAnswer(self.number, analysis.code_ids, usage, letters)


@dataclass(frozen=True)
class MaskedRequest:
    """Run a page of the waveform, (samples,), with `mask` (frames,) over the latents that the context network gets."""

    number: int
    recognizer: Recognizer = field(repr=False)
    page: Page
    waveform: Floats = field(repr=False)
    mask: Mask = field(repr=False)

    def answer(self) -> MaskedAnswer:
        """The letters under and beside the mask."""
        analysis = analyse(self.recognizer, self.waveform, self.mask)
        letters = letters_of(self.recognizer, self.waveform, analysis, self.page, self.mask)
        return MaskedAnswer(self.number, self.mask, letters)


Request = ClipRequest | SpectrogramRequest | CodesRequest | MaskedRequest


@lru_cache(maxsize=1)
def _decoder(recognizer: Recognizer) -> LanguageModelDecoder | None:
    """With the bundle's language model; None where it has none, or one that cannot be used."""
    if mode_used(recognizer.bundle, DecodingSettings()) != "lm":
        return None
    try:
        decoder = build_decoder(recognizer.bundle)
    except DecodingError:
        return None
    return decoder if isinstance(decoder, LanguageModelDecoder) else None


def letters_of(
    recognizer: Recognizer, waveform: Floats, analysis: FileAnalysis, page: Page, mask: Mask | None = None
) -> Letters:
    """Probabilities, words and phones of the analysis of a page's `waveform`, on the recording's clock.

    Words are those of the bundle's language model between pauses, as in dictation, where it has one.
    """
    bundle, decoder, heard = recognizer.bundle, _decoder(recognizer), analysis.words
    if decoder is not None and heard:
        heard = Transcriber(recognizer, decoder, "pauses", mask).transcribe([without_offset(waveform)]).words
    phones: list[Word] = []
    if bundle.phones is not None:
        logits = analysis.all_logits[:, len(bundle.vocabulary) :]
        if decoder is not None and decoder.by_phones:
            phones = spoken_phones(heard, decoder.ways, logits, bundle.phones, bundle.stride_s)
        else:
            phones = likely_tokens(logits, bundle.phones, bundle.stride_s)
    words, sounds = (
        tuple(replace(one, start_s=one.start_s + page.start_s, end_s=one.end_s + page.start_s) for one in found)
        for found in (heard, phones)
    )
    return Letters(letter_probabilities(analysis.logits), words, sounds)
