"""The language model of a bundle, read for the search."""

from __future__ import annotations

from pathlib import Path

from engine.text.ngram.ngram_states import NgramStates
from engine.text.ngram.packed import SUFFIX, PackedModelError, read_packed
from w2v_studio.recognition.decoding.arpa_file import read_arpa
from w2v_studio.recognition.decoding.settings import DecodingError


def read_ngrams(path: Path) -> NgramStates:
    """The model of a file that build-lm wrote (.npz), or of an ARPA file (.gz too). Raises DecodingError."""
    if path.suffix != SUFFIX:
        return NgramStates(*read_arpa(path))
    try:
        return NgramStates(*read_packed(path))
    except FileNotFoundError as error:
        raise DecodingError(f"there is no language model {path}") from error
    except (OSError, PackedModelError) as error:
        raise DecodingError(f"{path} cannot be read as a language model ({error})") from error
