"""Logits in, words out: the decoder that the settings ask for.

a recording        build_decoder(bundle, settings)
live recognition   build_live_decoders(bundle, settings)
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word, decode_words
from engine.text.ngram.packed import SUFFIX
from engine.text.pronunciation import lexicon_file
from export.bundle import LANGUAGE_MODEL_FILES, Bundle
from w2v_studio.recognition.decoding.bundle_files import (
    DecodingDefaults,
    language_model_file,
    read_defaults,
)
from w2v_studio.recognition.decoding.flashlight_text import is_available
from w2v_studio.recognition.decoding.hotwords import HotwordSpotter
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.prefix_beam import BeamDecoder
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings

PARTIAL_BEAM = 32
"""Hypotheses for a text that may still change: it is made many times over, and the final one has the full beam. On read
sentences with letters, texts just before the final ones had 62 % word errors with it, 58 % with 128, 81 % greedy."""
PARTIAL_BEAM_OF_PHONES = 64
"""The same for words by phones, where a wider beam costs less."""


class Decoder(Protocol):
    """Makes words of a stretch of frames. Keeps no state between calls; not for several threads at once."""

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """Words of `logits` (frames, tokens), all columns that the graph gives, the phones' too where it has any.

        Their times count `first_frame` frames before the first row.
        """
        ...


class GreedyDecoder:
    """The best token of each frame."""

    def __init__(self, bundle: Bundle, temperature: float) -> None:
        self._vocabulary, self._stride_s, self._temperature = bundle.vocabulary, bundle.stride_s, temperature

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """See Decoder."""
        offset_s = first_frame * self._stride_s
        letters = logits[:, : len(self._vocabulary)]
        return decode_words(letters, self._vocabulary, self._stride_s, offset_s, self._temperature)


class HotwordDecoder:
    """Another decoder's words, with hotwords where they were said."""

    def __init__(self, decoder: Decoder, spotter: HotwordSpotter, bundle: Bundle, temperature: float) -> None:
        self._decoder, self._spotter = decoder, spotter
        self._bundle, self._temperature = bundle, temperature

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """See Decoder."""
        words = self._decoder.decode(logits, first_frame)
        letters, stride_s = self._bundle.letters(logits), self._bundle.stride_s
        return self._spotter.replace(words, letters, stride_s, first_frame * stride_s, self._temperature)


@dataclass(frozen=True)
class LiveDecoders:
    """For the final texts of live recognition, and for those that may still change. Both for one thread at a time."""

    final: Decoder
    partial: Decoder

    @property
    def going_on(self) -> LanguageModelDecoder | None:
        """`partial` if it can go on behind words that are settled already."""
        partial = self.partial
        return partial if isinstance(partial, LanguageModelDecoder) and partial.by_phones else None


def build_decoder(bundle: Bundle, settings: DecodingSettings | None = None) -> Decoder:
    """The decoder for `settings` (None: auto). A language model takes seconds to load. Raises DecodingError."""
    settings = settings or DecodingSettings()
    defaults = read_defaults(bundle.folder)
    return _with_hotwords(_build(bundle, settings, defaults), bundle, settings, defaults)


def build_live_decoders(bundle: Bundle, settings: DecodingSettings | None = None) -> LiveDecoders:
    """Those for `settings` (None: auto). Texts that may still change are made with the same language model in a

    narrower beam, or greedy where there is none; hotwords are in both. Raises DecodingError.
    """
    settings = settings or DecodingSettings()
    defaults = read_defaults(bundle.folder)
    final = _build(bundle, settings, defaults)
    partial: Decoder = GreedyDecoder(bundle, defaults.confidence_temperature)
    if isinstance(final, LanguageModelDecoder):
        partial = final.narrower(PARTIAL_BEAM_OF_PHONES if final.by_phones else PARTIAL_BEAM)
    return LiveDecoders(*(_with_hotwords(each, bundle, settings, defaults) for each in (final, partial)))


def mode_used(bundle: Bundle, settings: DecodingSettings) -> str:
    """greedy, beam or lm: what `settings` come to with this bundle and what is installed."""
    if settings.mode != "auto":
        return settings.mode
    # Who names a language model shall hear why it cannot be used; a bundle's own is an extra.
    if settings.language_model is not None:
        return "lm"
    by_phones = bundle.phones is not None and (settings.lexicon or lexicon_file(bundle.folder)) is not None
    own = language_model_file(bundle.folder)
    fits = own is not None and (by_phones or (own.suffix != SUFFIX and is_available()))
    return "lm" if fits else "greedy"


def _with_hotwords(decoder: Decoder, bundle: Bundle, settings: DecodingSettings, defaults: DecodingDefaults) -> Decoder:
    if isinstance(decoder, LanguageModelDecoder) and decoder.by_phones:
        return decoder  # they are words of its search
    spotter = HotwordSpotter(bundle.vocabulary, settings.hotwords)
    if not spotter.phrases:
        return decoder
    return HotwordDecoder(decoder, spotter, bundle, defaults.confidence_temperature)


def _build(bundle: Bundle, settings: DecodingSettings, defaults: DecodingDefaults) -> Decoder:
    temperature = defaults.confidence_temperature
    mode = mode_used(bundle, settings)
    beam_width = defaults.beam_width if settings.beam_width is None else settings.beam_width
    if mode == "greedy":
        return GreedyDecoder(bundle, temperature)
    if mode == "beam":
        return BeamDecoder(bundle.vocabulary, bundle.stride_s, temperature, beam_width)
    model = settings.language_model or language_model_file(bundle.folder)
    if model is None:
        raise DecodingError(
            f"the model {bundle.card.name} has no language model: give one, or put it into {bundle.folder} as "
            f"{' or '.join(LANGUAGE_MODEL_FILES)}; w2v-engine build-lm makes one of plain text"
        )
    weights = dataclasses.replace(
        defaults,
        lm_weight=defaults.lm_weight if settings.lm_weight is None else settings.lm_weight,
        word_score=defaults.word_score if settings.word_score is None else settings.word_score,
        beam_width=beam_width,
    )
    phones = bundle.phones
    lexicon = settings.lexicon or lexicon_file(bundle.folder)
    if lexicon is None:
        phones = None
    elif phones is None and settings.language_model is not None:
        # A bundle's words spelled by letter are those of its language model.
        lexicon = settings.lexicon
    return LanguageModelDecoder(bundle.vocabulary, bundle.stride_s, model, lexicon, weights, phones, settings.hotwords)
