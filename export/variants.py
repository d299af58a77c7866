"""The precisions of a bundle: made, measured beside each other, and the wanted one put in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import onnx

from engine.model.ctc import CtcModel
from engine.text.vocabulary import Vocabulary
from export.bundle import CONTEXT_FILE
from export.check_set import read_check_set
from export.graph import ExportError
from export.int8 import quantize
from export.measure import graph_files, measure
from export.precisions import PrecisionTable, objection

Measured = Literal["all", "chosen", "none"]
Say = Callable[[str], None]

QUANTIZED_FOLDER = "int8"


def choose(
    model: CtcModel,
    vocabulary: Vocabulary,
    folder: Path,
    weights: str,
    measured: Measured,
    check: Path | None,
    say: Say,
) -> PrecisionTable | None:
    """Measure the graphs in `folder`, and for int8 replace its context graph. Returns the bundle's table.

    Raises ExportError where int8 is wanted and was not found worth it on this machine, with the numbers.
    """
    if measured == "none":
        if weights == "int8":
            raise ExportError("int8 is only offered where it was measured to pay: leave out --measure none")
        return None
    try:
        recordings = read_check_set(check)
    except ExportError as error:
        if check is not None or weights == "int8":
            raise
        say(f"precisions were not measured: {error}")
        return None
    features, context = graph_files(folder)
    variants = {"fp16" if weights == "fp16" else "fp32": (features, context)}
    if weights == "int8" or (weights == "fp32" and measured == "all"):
        say("quantising a copy to int8")
        quantized = folder / QUANTIZED_FOLDER / CONTEXT_FILE
        quantized.parent.mkdir()
        onnx.save(quantize(onnx.load(context)), quantized)
        variants["int8"] = (features, quantized)
    say(f"measuring {' and '.join(variants)} on {recordings.audio_s:.0f} s of speech ({recordings.name})")
    table = measure(model, vocabulary, variants, recordings)
    for line in lines(table):
        say(line)
    if "int8" in variants:
        _settle_int8(table, quantized, context, weights, say)
    return table


def _settle_int8(table: PrecisionTable, quantized: Path, context: Path, weights: str, say: Say) -> None:
    """Put it in place or away. Raises ExportError where it was wanted and does not pay."""
    reason = objection(table)
    if weights == "int8":
        if reason:
            raise ExportError(f"int8 is not offered on this machine: {reason}. Use --weights fp32 or fp16")
        quantized.replace(context)
    else:
        quantized.unlink()
        say(f"int8 would not pay here: {reason}" if reason else "int8 would pay on this machine: --weights int8")
    quantized.parent.rmdir()


def lines(table: PrecisionTable) -> list[str]:
    """The table for a terminal."""
    found = ["weights      size  time/audio     WER     CER  words changed  parity"]
    for row in table.rows:
        wer, cer = ("      –" if rate is None else f"{rate:7.2%}" for rate in (row.wer, row.cer))
        cost = f"{row.size_bytes / 1e6:6.1f} MB  {row.seconds_per_audio_second:10.4f}"
        found.append(f"{row.weights:7} {cost} {wer} {cer}  {row.text_difference:13.2%}  {row.parity:.2g}")
    found.append(f"({table.clips} clips, {table.audio_s:.0f} s, {table.threads} threads of {table.processor})")
    return found
