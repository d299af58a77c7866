"""The decoders of live text, as the user chose them; what cannot be had falls back to greedy and says so."""

from __future__ import annotations

from dataclasses import dataclass

from export.bundle import Bundle
from w2v_studio.recognition.decoding.decoder import Decoder, build_decoder
from w2v_studio.recognition.decoding.hotwords_file import own_hotwords
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings


@dataclass(frozen=True)
class Decoders:
    """For final and for partial texts; `problem` says what was asked for and could not be had."""

    final: Decoder
    partial: Decoder
    problem: str = ""


def make_decoders(bundle: Bundle, choice: str) -> Decoders:
    """`choice` is one of decoding.settings.MODES."""
    problem = ""
    try:
        hotwords = own_hotwords()
    except DecodingError as error:
        hotwords, problem = (), str(error)
    settings = DecodingSettings(mode=choice, hotwords=hotwords)
    try:
        return Decoders(build_decoder(bundle, settings), build_decoder(bundle, settings.partial), problem)
    except DecodingError as error:
        plain = DecodingSettings(hotwords=hotwords)
        return Decoders(build_decoder(bundle, plain), build_decoder(bundle, plain), str(error))
