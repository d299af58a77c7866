"""`w2v-studio evaluate`: error rates and latencies of a bundle on manifests."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from w2v_studio.commands.decoding import decoding_settings
from w2v_studio.commands.running import open_recognizer, print_error
from w2v_studio.evaluation.clips import EvaluationError, read_clips
from w2v_studio.evaluation.measuring import Results, measure
from w2v_studio.evaluation.report import as_object, as_text, hardware
from w2v_studio.recognition.decoding.decoder import build_live_decoders, mode_used


def evaluate(options: argparse.Namespace) -> int:
    """Print a report for each manifest; 1 if recordings could not be read. Raises EvaluationError."""
    # All first, so that a wrong name is told before an hour of work.
    selections = {Path(name): read_clips(Path(name), options.only) for name in options.data}
    recognizer = open_recognizer(options)
    settings = decoding_settings(options)
    decoders = build_live_decoders(recognizer.bundle, settings)
    recognizer.warm_up()
    status = 0
    for manifest, selection in selections.items():
        name = f"{manifest.absolute().parent.name}/{manifest.name}"
        results = Results()
        steps = measure(recognizer, selection.clips, decoders, stream=options.stream, folder=manifest.parent)
        hidden = not sys.stderr.isatty()
        progress = tqdm(steps, total=len(selection.clips), unit="file", disable=hidden, file=sys.stderr, leave=False)
        for results in progress:  # noqa: B007 (the last one counts)
            pass
        for sentence in results.unread:
            status = 1
            print_error(sentence)
        if not results.offline:
            raise EvaluationError(f"none of the {len(selection.clips)} recordings of {manifest} can be read")
        if selection.unlabelled:
            print_error(f"{selection.unlabelled} rows of {manifest} have no transcript and do not count")
        if options.json:
            about = {
                "manifest": name,
                "bundle": recognizer.bundle.card.name,
                "only": options.only,
                "decoding": mode_used(recognizer.bundle, settings),
                "hardware": hardware(recognizer.provider),
            }
            print(json.dumps(as_object(results, about), ensure_ascii=False), flush=True)
        else:
            title = f"{recognizer.bundle.card.name} on {name}"
            print(as_text(results, title, hardware(recognizer.provider), options.worst) + "\n", flush=True)
    return status
