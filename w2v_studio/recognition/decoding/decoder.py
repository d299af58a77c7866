"""Logits in, words out: the decoder that the settings ask for.

partial texts   build_decoder(bundle, settings.partial)
final texts     build_decoder(bundle, settings)
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word, decode_words
from export.bundle import Bundle
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings


class Decoder(Protocol):
    """Makes words of a stretch of frames. Keeps no state between calls; not for several threads at once."""

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """Words of `logits` (frames, tokens); their times count `first_frame` frames before the first row."""
        ...


class GreedyDecoder:
    """The best token of each frame."""

    def __init__(self, bundle: Bundle) -> None:
        self._vocabulary, self._stride_s = bundle.vocabulary, bundle.stride_s

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """See Decoder."""
        return decode_words(logits, self._vocabulary, self._stride_s, first_frame * self._stride_s)


def build_decoder(bundle: Bundle, settings: DecodingSettings | None = None) -> Decoder:
    """The decoder for `settings` (None: greedy). Loads the language model. Raises DecodingError."""
    settings = settings or DecodingSettings()
    if settings.mode != "greedy" or settings.hotwords:
        raise DecodingError(f"decoding by {settings.mode} with hotwords is not built yet")
    return GreedyDecoder(bundle)
