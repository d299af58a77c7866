"""The decoders of live text, as the user chose them; what cannot be had falls back to greedy and says so."""

from __future__ import annotations

from dataclasses import dataclass

from export.bundle import Bundle
from w2v_studio.recognition.decoding.decoder import LiveDecoders, build_live_decoders
from w2v_studio.recognition.decoding.hotwords_file import own_hotwords
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings


@dataclass(frozen=True)
class ChosenDecoders(LiveDecoders):
    """`problem` says what was asked for and could not be had."""

    problem: str = ""


def make_decoders(bundle: Bundle, choice: str) -> ChosenDecoders:
    """`choice` is one of decoding.settings.MODES."""
    problem = ""
    try:
        hotwords = own_hotwords()
    except DecodingError as error:
        hotwords, problem = (), str(error)
    settings = DecodingSettings(mode=choice, hotwords=hotwords)
    try:
        made = build_live_decoders(bundle, settings)
    except DecodingError as error:
        made, problem = build_live_decoders(bundle, DecodingSettings("greedy", hotwords=hotwords)), str(error)
    return ChosenDecoders(made.final, made.partial, problem)
