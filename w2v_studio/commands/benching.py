"""`w2v-studio bench`: measures, prints a table or JSON, and says what suits the machine."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys

import numpy as np
from numpy.typing import NDArray

from export.bundle import Bundle
from w2v_studio.assets import samples_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.commands.device_table import table
from w2v_studio.recognition.machine_speed import (
    Advice,
    LiveSpeed,
    WindowSpeed,
    advise,
    measure_live,
    measure_windows,
)
from w2v_studio.recognition.provider import physical_cores
from w2v_studio.recognition.sessions import Recognizer

THREADS = (1, 2, 4)
SPEECH = ("librispeech-1970.opus", "digits-jackson.flac", "librispeech-5789.opus")
"""Shipped recordings that are recognised live, with pauses between."""
PAUSE_S = 1.0


def bench(options: argparse.Namespace) -> int:
    """Measure with every number of threads, on a GPU once."""
    bundle = find_bundle(options.bundle) if options.bundle else default_bundle()
    speech = spoken()
    windows: list[WindowSpeed] = []
    live: list[LiveSpeed] = []
    provider = reason = ""
    for threads in options.threads or [n for n in THREADS if n <= (os.cpu_count() or 1)]:
        recognizer = Recognizer(bundle, options.provider, threads)
        provider, reason = recognizer.provider, recognizer.provider_reason
        told = "the GPU" if provider == "CUDA" else f"{threads} thread{'s' if threads > 1 else ''}"
        print(f"Measuring {bundle.card.name} on {told}", file=sys.stderr, flush=True)
        recognizer.warm_up()
        windows += measure_windows(recognizer, speech, threads)
        live.append(measure_live(recognizer, speech, threads))
        if provider == "CUDA":
            break
    advice = advise(windows, live)
    if options.format == "json":
        print(json.dumps(_as_object(bundle, provider, reason, windows, live, advice), ensure_ascii=False))
    else:
        print("\n".join(_as_text(bundle, provider, reason, windows, live, advice)))
    return 0


def spoken() -> NDArray[np.float32]:
    """Shipped recordings of speech with pauses between them, 16 kHz."""
    pause = np.zeros(round(16_000 * PAUSE_S), np.float32)
    clips = [read_audio(samples_folder() / name) for name in SPEECH]
    return np.concatenate([piece for clip in clips for piece in (clip, pause)])


def _as_object(
    bundle: Bundle,
    provider: str,
    reason: str,
    windows: list[WindowSpeed],
    live: list[LiveSpeed],
    advice: Advice,
) -> dict[str, object]:
    return {
        "bundle": bundle.card.name,
        "parameters": bundle.card.parameters,
        "provider": provider,
        "provider_reason": reason,
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "physical_cores": physical_cores(),
        "windows": [{**dataclasses.asdict(speed), "per_audio_s": speed.per_audio_s} for speed in windows],
        "live": [dataclasses.asdict(speed) for speed in live],
        "advice": dataclasses.asdict(advice),
    }


def _as_text(
    bundle: Bundle,
    provider: str,
    reason: str,
    windows: list[WindowSpeed],
    live: list[LiveSpeed],
    advice: Advice,
) -> list[str]:
    where = f"{provider} ({reason})" if reason else provider
    rows = [("threads", "window", "features", "context", "for 1 s of sound", "runs")]
    rows += [
        (
            str(speed.threads),
            f"{speed.window_s} s",
            f"{1000 * speed.features_s:.1f} ms",
            f"{1000 * speed.context_s:.1f} ms",
            f"{1000 * speed.per_audio_s:.1f} ms",
            str(speed.runs),
        )
        for speed in windows
    ]
    live_rows = [("threads", "live load", "in silence", "voice activity", "latest result", "final text p95")]
    live_rows += [
        (
            str(speed.threads),
            f"{speed.load:.1%}",
            f"{speed.silence_cpu:.2%}",
            f"{speed.voice_activity:.2%}",
            f"{1000 * speed.latest_s:.0f} ms",
            f"{1000 * speed.final_p95_s:.0f} ms",
        )
        for speed in live
    ]
    return [
        f"{bundle.card.name}, {bundle.card.parameters / 1e6:.1f} million parameters, on {where}",
        f"{platform.platform()}, {os.cpu_count()} processors, {physical_cores()} physical cores",
        "",
        *table(rows),
        "",
        f"Live, {live[0].sound_s:.0f} s of speech and pauses; shares of a second of sound",
        *table(live_rows),
        "",
        _sentence(advice),
    ]


def _sentence(advice: Advice) -> str:
    threads = f"{advice.threads} thread{'s' if advice.threads > 1 else ''}"
    if not advice.is_fast_enough:
        return (
            f"This machine is too slow for live words with this model; {threads} are best. Final texts come late. "
            f"Choose a smaller model, or transcribe recordings."
        )
    return (
        f"Live recognition suits {threads}, a window of {advice.window_s} s and a hop of {advice.hop_ms} ms; "
        f"it finds them by itself."
    )
