"""What a bundle may hold for decoding, all of it optional.

BUNDLE/
  decoding.json    DecodingDefaults: measured with this model on recordings kept out of its training
  lm.arpa.gz       word language model (also lm.arpa; for letters lm.bin in KenLM's binary format; for phones lm.npz)
  lexicon.txt      WORD<tab>L E T T E R S |, a line each; without it, the language model's words spelled by letter.
                   Of a model that knows phones, WORD<tab>P H O N E S (also lexicon.txt.gz)
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from engine.text.confidence import DEFAULT_TEMPERATURE
from export.bundle import DECODING_FILE, LANGUAGE_MODEL_FILES
from w2v_studio.recognition.decoding.settings import DecodingError, check_beam_width

LARGEST_BYTES = 100_000


@dataclass(frozen=True)
class DecodingDefaults:
    """decoding.json. `confidence_temperature` divides the logits where the confidence of greedy words is reckoned.

    A text's score is log p(sound) + `lm_weight` x log p(words) + `word_score` x words, natural logarithms;
    a word outside the lexicon adds `unknown_word_score`. p(sound) is the network's, each token's divided by its share
    in general, exp(`log_priors`) (tokens,), to the power `prior_weight`: a network that is unsure writes nothing, or
    common letters, and the language model knows better what is common (as hybrid recognisers do, Bourlard and Morgan
    1994, and EESEN with CTC, arXiv 1507.08240). `beam_width` hypotheses are followed: a model that is unsure of its
    letters gains by more, which take longer. `merge_runs` is for phones: a sound counts once, however long it is, by
    the mean of its frames, which is right for what CTC trained; after CTC-CRF (`ctc.crf_weight`) each frame counts.

    A word that the language model chose is right with the probability
    1 / (1 + exp(-(`confidence_slope` x + `confidence_votes` y + `confidence_offset`))), x the mean log p(sound) of its
    letters, y the logarithm of the odds that a text that may have been said has it, known for words by phones (Platt
    1999); slopes of 0 take the measure of greedy words. `measured_on` names the recordings.
    """

    confidence_temperature: float = DEFAULT_TEMPERATURE
    lm_weight: float = 0.5
    word_score: float = 1.0
    unknown_word_score: float = -6.0
    beam_width: int = 32
    merge_runs: bool = True
    confidence_slope: float = 0.0
    confidence_votes: float = 0.0
    confidence_offset: float = 0.0
    prior_weight: float = 0.0
    log_priors: tuple[float, ...] = ()
    measured_on: str = ""


def read_defaults(folder: Path) -> DecodingDefaults:
    """The bundle's own, or the general ones where it has none. Raises DecodingError for a file that cannot be used."""
    path = folder / DECODING_FILE
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(DecodingDefaults)}
        if isinstance(values.get("log_priors"), list):
            values["log_priors"] = tuple(values["log_priors"])
        defaults = DecodingDefaults(**{name: value for name, value in values.items() if name in known})
        _check(defaults)
    except FileNotFoundError:
        return DecodingDefaults()
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DecodingError(f"{path} cannot be used ({error}); delete it, or measure it again") from error
    return defaults


def write_defaults(folder: Path, defaults: DecodingDefaults) -> None:
    """Write decoding.json, whole or not at all."""
    part = folder / (DECODING_FILE + ".tmp")
    part.write_text(json.dumps(asdict(defaults), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / DECODING_FILE)


def language_model_file(folder: Path) -> Path | None:
    """The bundle's language model, if it holds one."""
    return next((folder / name for name in LANGUAGE_MODEL_FILES if (folder / name).is_file()), None)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _is_of_kind(kind: str, value: object) -> tuple[bool, str]:
    """Whether a value is of a field's type, and how people call that."""
    if kind == "str":
        return isinstance(value, str), "text"
    if kind == "bool":
        return type(value) is bool, "true or false"
    if kind == "int":
        return type(value) is int, "a whole number"
    if kind == "float":
        return _is_number(value), "a number"
    return isinstance(value, tuple) and all(map(_is_number, value)), "a list of numbers"


def _check(defaults: DecodingDefaults) -> None:
    for item in fields(DecodingDefaults):
        value = getattr(defaults, item.name)
        fits, kind = _is_of_kind(str(item.type), value)
        if not fits:
            raise ValueError(f"{item.name} is {value!r}, not {kind}")
    if defaults.prior_weight and not defaults.log_priors:
        raise ValueError("prior_weight is given without log_priors")
    check_beam_width(defaults.beam_width)
    if not 0.01 <= defaults.confidence_temperature <= 100:
        raise ValueError(f"confidence_temperature is {defaults.confidence_temperature}, which is not from 0.01 to 100")
