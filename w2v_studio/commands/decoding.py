"""The choice of decoder on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from w2v_studio.recognition.decoding.hotwords_file import read_hotwords
from w2v_studio.recognition.decoding.settings import DecodingSettings


def decoding_settings(options: argparse.Namespace) -> DecodingSettings:
    """What `options.add_decoding_options` asked for. Raises DecodingError."""
    return DecodingSettings(
        mode=options.decoding,
        beam_width=options.beam_width,
        language_model=None if options.language_model is None else Path(options.language_model),
        lexicon=None if options.lexicon is None else Path(options.lexicon),
        hotwords=() if options.hotwords is None else read_hotwords(Path(options.hotwords)),
    )
