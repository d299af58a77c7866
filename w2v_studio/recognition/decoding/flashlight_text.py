"""flashlight-text: beam search with a lexicon, in C++, and KenLM inside. Imported when first asked for."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2v_studio.recognition.decoding.emissions import Emissions
from w2v_studio.recognition.decoding.settings import DecodingError


def is_available() -> bool:
    """Whether flashlight-text is installed and loads."""
    try:
        importlib.import_module("flashlight.lib.text.decoder")
    except (ImportError, OSError):
        return False
    return True


def load_module(name: str = "decoder") -> Any:
    """`flashlight.lib.text.NAME`. Raises DecodingError that tells where it is to be had."""
    try:
        return importlib.import_module(f"flashlight.lib.text.{name}")
    except (ImportError, OSError) as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise DecodingError(
            f"decoding with a language model needs flashlight-text, which does not load here (Python {version}, "
            f"{sys.platform}: {error}). It exists for Python 3.11 and 3.12 on Linux and macOS: install it there with "
            f"pip install flashlight-text, or decode by greedy or beam"
        ) from error


def best_path(decoder: Any, given: Emissions) -> NDArray[np.intp]:
    """The best hypothesis of a LexiconDecoder: a token for each kept frame (kept,)."""
    scores = given.scores
    frames, tokens = scores.shape
    # One token before the first frame and one after the last are the search's own.
    return np.array(decoder.decode(scores.ctypes.data, frames, tokens)[0].tokens[1 : frames + 1], np.intp)
