"""What a user chooses about turning logits into words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODES = ("auto", "greedy", "beam", "lm")
"""lm where there is a language model, else greedy; best token of each frame; best sum over paths; the same with a word
language model and a lexicon."""
WIDEST_BEAM = 1024


class DecodingError(ValueError):
    """Decoding that cannot be done as asked. The message says why and what to do."""


def check_beam_width(width: int) -> None:
    """Raises DecodingError for a beam that no search is made for."""
    if not 1 <= width <= WIDEST_BEAM:
        raise DecodingError(f"a beam of {width} is not from 1 to {WIDEST_BEAM}")


@dataclass(frozen=True)
class Hotword:
    """A phrase to listen for, and how much: 1 is the default strength, 0 turns it off."""

    phrase: str
    weight: float = 1.0


@dataclass(frozen=True)
class DecodingSettings:
    """How texts are decoded; those of live recognition that may still change as `decoder.build_live_decoders` says.

    `language_model` (ARPA, .gz too; KenLM binary for letters, .npz for phones) and `lexicon` (WORD<tab>L E T T E R S |
    or P H O N E S): None takes the bundle's own. `beam_width` (hypotheses), `lm_weight` and `word_score`: None takes
    the bundle's, or the defaults of decoding.bundle_files.
    """

    mode: str = "auto"
    beam_width: int | None = None
    lm_weight: float | None = None
    word_score: float | None = None
    language_model: Path | None = None
    lexicon: Path | None = None
    hotwords: tuple[Hotword, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no decoder can do."""
        if self.mode not in MODES:
            raise DecodingError(f"no way to decode {self.mode!r}: choose {', '.join(MODES)}")
        if self.beam_width is not None:
            check_beam_width(self.beam_width)
