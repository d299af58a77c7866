"""Runs a terminal command, and turns what can go wrong into one sentence and an exit status."""

from __future__ import annotations

import argparse
import os
import sys

from export.bundle import Bundle, BundleError
from w2v_studio.audio.devices import AudioUnavailable
from w2v_studio.audio.files import AudioFileError
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.evaluation.clips import EvaluationError
from w2v_studio.recognition.decoding.settings import DecodingError
from w2v_studio.recognition.provider import ProviderError
from w2v_studio.recognition.runtime_packages import runtime_conflict
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.text_stage.rules import TextRulesError
from w2v_studio.transcripts.out_files import OutFileError

EXPECTED_ERRORS = (
    AudioFileError,
    AudioUnavailable,
    BundleError,
    DecodingError,
    EvaluationError,
    OutFileError,
    ProviderError,
    TextRulesError,
)
"""Errors whose message is a sentence with a remedy."""


def run_command(options: argparse.Namespace) -> int:
    """Exit status of the command: 0 good, 1 an error that was told on standard error, 130 interrupted."""
    try:
        status: int = options.run(options)
        return status
    except EXPECTED_ERRORS as error:
        print_error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; without this Python complains once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def chosen_bundle(options: argparse.Namespace) -> Bundle:
    """The bundle that --bundle asks for. Raises BundleError."""
    return find_bundle(options.bundle) if options.bundle else default_bundle()


def open_recognizer(options: argparse.Namespace, threads: int | None = None) -> Recognizer:
    """The recognizer that --bundle and --provider ask for; says so where the installation is spoiled."""
    bundle = chosen_bundle(options)
    conflict, remedy = runtime_conflict()
    if conflict:
        print_error(f"warning: {conflict}, so that models may fail or run without the GPU: {remedy}")
    return Recognizer(bundle, options.provider, threads)


def print_error(error: Exception | str) -> None:
    """One sentence on standard error."""
    print(f"w2v-studio: {error}", file=sys.stderr, flush=True)
