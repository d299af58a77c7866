"""Word and character error rates of a bundle through ONNX, on manifests: the figures of its card.

    uv run python benchmarks/bundled_model.py MANIFEST ... [--bundle NAME_OR_FOLDER] [--only REGEX] [--stream]

`--only` keeps the clips whose path matches; `--stream` feeds them as a microphone would and counts final words.
The intervals are the 95 % bootstrap over clips. One JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

from engine.data.manifest import read_manifest
from engine.text.error_rate import edit_distance, error_rates
from w2v_studio.assets import voice_activity_path
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe
from w2v_studio.recognition.updates import FinalUpdate
from w2v_studio.recognition.voice_activity import VoiceActivity


def streamed_text(recognizer: Recognizer, waveform: np.ndarray) -> str:
    live = LiveRecognizer(recognizer, VoiceActivity(voice_activity_path()), LiveSettings())
    quiet = np.zeros(16000, np.float32)
    updates = [*live.feed(np.concatenate((quiet, waveform, quiet))), *live.flush()]
    return " ".join(update.text for update in updates if isinstance(update, FinalUpdate))


def interval(pairs: list[tuple[str, str]], draws: int = 1000) -> list[float]:
    rng = np.random.default_rng(0)
    errors = np.array([edit_distance(wanted.split(), found.split()) for wanted, found in pairs])
    words = np.array([len(wanted.split()) for wanted, _ in pairs])
    picks = rng.integers(len(pairs), size=(draws, len(pairs)))
    rates = errors[picks].sum(axis=1) / words[picks].sum(axis=1)
    return [round(float(edge), 4) for edge in np.quantile(rates, (0.025, 0.975))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--bundle")
    parser.add_argument("--only", default="")
    parser.add_argument("--stream", action="store_true")
    arguments = parser.parse_args()
    bundle = find_bundle(arguments.bundle) if arguments.bundle else default_bundle()
    recognizer = Recognizer(bundle)
    for manifest in arguments.manifests:
        pairs = []
        for clip in read_manifest(manifest):
            if clip.transcript and re.search(arguments.only, str(clip.path)):
                waveform = read_audio(clip.path)
                text = (
                    streamed_text(recognizer, waveform) if arguments.stream else transcribe(recognizer, waveform).text
                )
                pairs.append((clip.transcript, text))
        if not pairs:
            sys.exit(f"{manifest} has no transcribed clip that matches {arguments.only!r}")
        rates = error_rates(pairs)
        row = {
            "manifest": f"{manifest.parent.name}/{manifest.name}",
            "bundle": bundle.card.name,
            "streamed": arguments.stream,
            "clips": len(pairs),
            "words": rates.words,
            "wer": round(rates.wer, 4),
            "wer_95": interval(pairs),
            "cer": round(rates.cer, 4),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
