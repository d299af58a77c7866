"""The table of a bundle: what each precision costs and gives, as measured when it was exported. No torch.

In bundle.json under `precisions`; `Bundle.card.precisions` is a PrecisionTable, or None in bundles that were never
measured.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

WEIGHTS = ("fp32", "fp16", "int8")

MOST_TIME, MOST_ERRORS = 0.8, 1.02
"""int8 is offered where it takes at most this share of fp32's time, with at most this many times its word errors."""

MEANINGFUL_WER = 0.9
"""From here on a model does not speak the language of the transcripts; its own fp32 text is the reference then."""


@dataclass(frozen=True)
class Precision:
    """One line. Error rates are None without transcripts.

    `size_bytes` counts both graphs; `seconds_per_audio_second` is a median, on the CPU; `text_difference` the word
    error rate against the text of PyTorch in 32 bits; `parity` the largest difference of a logit from it.
    """

    weights: str
    size_bytes: int
    seconds_per_audio_second: float
    wer: float | None
    cer: float | None
    text_difference: float
    parity: float


@dataclass(frozen=True)
class PrecisionTable:
    """Lines for the precisions that were tried, and what they were measured on."""

    rows: tuple[Precision, ...]
    check: str
    clips: int
    audio_s: float
    threads: int
    processor: str

    def row(self, weights: str) -> Precision | None:
        """The line of a precision, None where it was not tried."""
        return next((row for row in self.rows if row.weights == weights), None)


def objection(table: PrecisionTable) -> str:
    """Why int8 is not worth offering on this machine, with the numbers; "" where it is."""
    exact, small = table.row("fp32"), table.row("int8")
    if exact is None or small is None:
        return "fp32 and int8 have not both been measured"
    reasons = []
    time = small.seconds_per_audio_second / exact.seconds_per_audio_second
    if not time <= MOST_TIME:
        reasons.append(f"it takes {time:.2f} times the time of fp32 (at most {MOST_TIME})")
    if exact.wer is None or small.wer is None or exact.wer >= MEANINGFUL_WER:
        if not small.text_difference <= MOST_ERRORS - 1:
            reasons.append(
                f"{small.text_difference:.1%} of its words differ from those of fp32 (at most {MOST_ERRORS - 1:.0%})"
            )
    elif not small.wer <= exact.wer * MOST_ERRORS:
        reasons.append(f"its WER is {small.wer:.2%}, that of fp32 {exact.wer:.2%} (at most {MOST_ERRORS} times that)")
    return " and ".join(reasons)


def read_table(values: Any) -> PrecisionTable | None:
    """From bundle.json. Raises ValueError, naming the field."""
    if values is None:
        return None
    if not isinstance(values, dict) or not isinstance(values.get("rows"), list) or len(values["rows"]) > 20:
        raise ValueError("precisions is not a table with rows")
    rows = tuple(_read(Precision, row) for row in values["rows"])
    table: PrecisionTable = _read(PrecisionTable, values | {"rows": rows})
    return table


def _read(kind: type[Any], values: Any) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"a row of precisions is {values!r}")
    found = {}
    for item in dataclasses.fields(kind):
        value = values.get(item.name)
        if not _fits(value, str(item.type)):
            raise ValueError(f"{item.name} of precisions is {value!r}, which is not of the kind {item.type}")
        found[item.name] = value
    return kind(**found)


def _fits(value: Any, kind: str) -> bool:
    if kind.endswith("| None") and value is None:
        return True
    if kind.startswith("float"):
        return type(value) in (int, float) and math.isfinite(value) and value >= 0
    if kind == "int":
        return type(value) is int and value >= 0
    return type(value) is str if kind == "str" else isinstance(value, tuple)
