"""Results as tables in Markdown, and as one object."""

from __future__ import annotations

import dataclasses
import math
import platform
from pathlib import Path
from typing import Any

from w2v_studio.evaluation.error_counts import ErrorRates, Utterance, error_rates, wer_ratio
from w2v_studio.evaluation.latency import AT_ONCE_S, Latencies, percentiles
from w2v_studio.evaluation.measuring import Results
from w2v_studio.evaluation.word_alignment import align
from w2v_studio.recognition.provider import worker_threads

TERMS = {
    "first_word_s": "first-word latency",
    "user_perceived_s": "user-perceived latency",
    "commit_s": "commit latency",
    "endpoint_delay_s": "endpoint delay",
    "finalisation_s": "finalisation latency",
}


def hardware(provider: str) -> str:
    """The machine in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{provider}; {name}, {worker_threads()} threads"


def as_object(results: Results, about: dict[str, Any]) -> dict[str, Any]:
    """All numbers; times in seconds."""
    values: dict[str, Any] = {**about, "audio_s": round(results.audio_s, 2)}
    values["offline"] = _rounded(dataclasses.asdict(error_rates(results.offline)))
    if results.streamed:
        ratio, interval = wer_ratio(results.streamed, results.played)
        values["offline_as_played"] = _rounded(dataclasses.asdict(error_rates(results.played)))
        values["streamed"] = _rounded(dataclasses.asdict(error_rates(results.streamed)))
        values["wer_streamed_over_offline"] = _rounded(ratio)
        values["wer_streamed_over_offline_95"] = _rounded(interval)
        values["unaligned"] = results.unaligned
        values["latency"] = {
            "compute_aware": _latency_object(results.aware),
            "not_compute_aware": _latency_object(results.unaware),
        }
    return values


def as_text(results: Results, title: str, machine: str, worst: int) -> str:
    """Tables for people."""
    parts = [f"{title}: {len(results.offline)} recordings, {results.audio_s / 60:.1f} minutes ({machine})"]
    rates = {"whole": error_rates(results.offline)}
    if results.streamed:
        rates["whole, silence around it"] = error_rates(results.played)
        rates["streamed"] = error_rates(results.streamed)
    parts.append(_error_table(rates))
    if results.streamed:
        ratio, (low, high) = wer_ratio(results.streamed, results.played)
        parts.append(f"WER streamed over whole, of the same sound: {ratio:.3f} (95 %: {low:.3f} to {high:.3f})")
        parts.append(_latency_table("Latency with the time that computing takes here", results.aware))
        parts.append(_latency_table("Latency if computing took no time", results.unaware))
        if results.unaligned:
            parts.append(
                f"{results.unaligned} recordings have a reference that cannot be aligned: no latencies of words"
            )
    wrong = _worst(results.streamed or results.offline, worst)
    if wrong:
        parts.append("\n".join(["Worst:", *wrong]))
    return "\n\n".join(parts)


def _error_table(rates: dict[str, ErrorRates]) -> str:
    lines = [
        "| | WER | 95 % | CER | 95 % | substitutions | insertions | deletions | words |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in rates.items():
        lines.append(
            f"| {name} | {found.wer:.2%} | {_range(found.wer_95)} | {found.cer:.2%} | {_range(found.cer_95)} "
            f"| {found.substitutions} | {found.insertions} | {found.deletions} | {found.words} |"
        )
    return "\n".join(lines)


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2%} to {interval[1]:.2%}"


def _latency_table(title: str, latencies: Latencies) -> str:
    lines = [f"{title}:", "", "| seconds | p50 | p90 | p95 | p99 | n |", "|---|---|---|---|---|---|"]
    for field, name in TERMS.items():
        found = percentiles(getattr(latencies, field))
        cells = (f"{value:.3f}" for value in (found.p50, found.p90, found.p95, found.p99))
        lines.append(f"| {name} | {' | '.join(cells)} | {found.n} |")
    lines += [
        "",
        f"revised words per final word {latencies.stability:.3f} (n {latencies.final_words}), of committed ones "
        f"{latencies.committed_stability:.3f}; final texts within {AT_ONCE_S * 1000:.0f} ms "
        f"{latencies.ready_in_advance:.1%}; live load {latencies.load:.3f}",
    ]
    return "\n".join(lines)


def _latency_object(latencies: Latencies) -> dict[str, Any]:
    values: dict[str, Any] = {
        field: _rounded(dataclasses.asdict(percentiles(getattr(latencies, field)))) for field in TERMS
    }
    for name in ("stability", "committed_stability", "final_words", "ready_in_advance", "load"):
        values[name] = _rounded(getattr(latencies, name))
    return values


def _worst(utterances: list[Utterance], count: int) -> list[str]:
    """The recordings with the most errors, wrong words marked."""
    wrong = sorted((found for found in utterances if found.word_errors), key=lambda found: -found.word_errors)
    lines = []
    for found in wrong[:count]:
        said, heard = found.reference.split(), found.hypothesis.split()
        marked = []
        for place, column in align(said, heard):
            if place is None and column is not None:
                marked.append(f"+{heard[column]}")
            elif place is not None and column is None:
                marked.append(f"-{said[place]}")
            elif place is not None and column is not None:
                marked.append(said[place] if said[place] == heard[column] else f"[{said[place]}>{heard[column]}]")
        lines.append(f"  {found.name} ({found.word_errors} of {found.words}): {' '.join(marked)}")
    return lines


def _rounded(value: Any) -> Any:
    """For JSON, which knows no nan."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
