"""Time, words and logits of a model in several precisions, all in one run and in turn."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.model.ctc import CtcModel
from engine.text.ctc import decode_words, text_of
from engine.text.error_rate import error_rates
from engine.text.vocabulary import Vocabulary
from export.bundle import CONTEXT_FILE, FEATURES_FILE
from export.check_set import CheckClip, CheckSet
from export.precisions import Precision, PrecisionTable
from export.verify import Case, GraphPair

ROUNDS = 3
TIMED_S = 60.0
"""Audio of each further round; the first runs all."""

MOST_THREADS = 4
"""As the app takes."""


@dataclass
class _Trial:
    graphs: GraphPair
    texts: list[str] = field(default_factory=list)
    parity: float = 0.0
    rates: list[float] = field(default_factory=list)


def measure(
    model: CtcModel, vocabulary: Vocabulary, variants: Mapping[str, tuple[Path, Path]], check: CheckSet
) -> PrecisionTable:
    """A table with a line for each of `variants`: weights to the files of features and context."""
    threads = max(1, min(MOST_THREADS, os.cpu_count() or 1))
    trials = {weights: _Trial(GraphPair(*paths, threads)) for weights, paths in variants.items()}
    exact = []
    for clip in check.clips:
        case, normalized = _prepare(model, clip)
        with torch.inference_mode():
            expected = model(torch.from_numpy(case.waveform))[0].numpy()
        exact.append(text_of(decode_words(expected[0, :, : len(vocabulary)], vocabulary)))
        for trial in trials.values():
            logits = trial.graphs.run(normalized, case)["logits"]
            trial.parity = max(trial.parity, float(np.abs(logits - expected).max()))
            trial.texts.append(text_of(decode_words(logits[0, :, : len(vocabulary)], vocabulary)))
    _time(trials, model, check)
    spoken = [clip.transcript for clip in check.clips]
    rows = [_row(weights, trial, _size(variants[weights]), spoken, exact) for weights, trial in trials.items()]
    return PrecisionTable(tuple(rows), check.name, len(check.clips), round(check.audio_s, 3), threads, processor_name())


def _row(weights: str, trial: _Trial, size: int, spoken: list[str], exact: list[str]) -> Precision:
    told = [pair for pair in zip(spoken, trial.texts, strict=True) if pair[0]]
    rates = error_rates(told) if told else None
    return Precision(
        weights=weights,
        size_bytes=size,
        seconds_per_audio_second=round(statistics.median(trial.rates), 6),
        wer=None if rates is None else round(rates.wer, 6),
        cer=None if rates is None else round(rates.cer, 6),
        text_difference=round(error_rates(zip(exact, trial.texts, strict=True)).wer, 6),
        parity=trial.parity,
    )


def _time(trials: dict[str, _Trial], model: CtcModel, check: CheckSet) -> None:
    """The graphs take turns at each clip, so that a busy moment of the machine meets all of them."""
    for _ in range(ROUNDS):
        spent, audio_s = dict.fromkeys(trials, 0.0), 0.0
        for clip in check.clips:
            case, normalized = _prepare(model, clip)
            for weights, trial in trials.items():
                start = time.perf_counter()
                trial.graphs.run(normalized, case)
                spent[weights] += time.perf_counter() - start
            audio_s += len(clip.waveform) / 16000
            if audio_s >= TIMED_S:
                break
        for weights, trial in trials.items():
            trial.rates.append(spent[weights] / audio_s)


def _prepare(model: CtcModel, clip: CheckClip) -> tuple[Case, NDArray[np.float32]]:
    """The inputs of a graph pair for one clip, and its waveform as the caller of features.onnx gives it."""
    waveform = np.ascontiguousarray(clip.waveform[None], np.float32)
    frames = model.backbone.config.frame_count(waveform.shape[1])
    case = Case(waveform, np.array([frames]), np.zeros((1, frames), np.bool_))
    return case, model.backbone.normalize(torch.from_numpy(waveform)).numpy()


def _size(paths: tuple[Path, Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def graph_files(folder: Path) -> tuple[Path, Path]:
    """Both graphs of a bundle's folder."""
    return folder / FEATURES_FILE, folder / CONTEXT_FILE


def processor_name() -> str:
    """The CPU's own name where the system tells it, else the architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"
