"""`w2v-studio dictate`: live words in the terminal."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from w2v_studio.audio.capture import MicrophoneCapture
from w2v_studio.audio.devices import find_input_device
from w2v_studio.audio.resample import StreamResampler
from w2v_studio.commands.decoding import decoding_settings
from w2v_studio.commands.terminal_text import TerminalText
from w2v_studio.recognition.decoding.decoder import build_live_decoders
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import FinalUpdate, LiveUpdate, PartialUpdate
from w2v_studio.recognition.voice_activity import VoiceActivity
from w2v_studio.transcripts.json_line import word_object

POLL_S = 0.032


class StopFlag:
    """Set by Ctrl-C or a request to terminate; the loop then ends by itself, with the last words."""

    def __init__(self) -> None:
        self.is_set = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """The signal handler; a second signal has its usual effect."""
        self.is_set = True
        signal.signal(number, signal.default_int_handler)


def dictate(options: argparse.Namespace, recognizer: Recognizer) -> int:
    """Listen until --seconds are over or a signal comes; the words heard until then are written first."""
    decoders = build_live_decoders(recognizer.bundle, decoding_settings(options))
    live = LiveRecognizer(recognizer, VoiceActivity(), decoders=decoders)
    recognizer.warm_up()
    writer = UpdateWriter(options.format, recognizer)
    with stop_on_signal() as stop, MicrophoneCapture(find_input_device(options.device)) as capture:
        name = recognizer.bundle.card.name
        print(
            f"Listening to {capture.device.name} ({capture.rate_hz:g} Hz) with {name} on {recognizer.provider}; "
            f"Ctrl-C ends",
            file=sys.stderr,
            flush=True,
        )
        try:
            for samples in heard(capture, options.seconds, stop):
                writer.write(live.feed(samples))
        finally:
            # Also when the microphone fails: what was said until then is not lost.
            writer.write(live.flush())
            if capture.overruns:
                lost = f"w2v-studio: sound was lost {capture.overruns} times, as this machine is too slow"
                print(lost, file=sys.stderr)
    return 0


def heard(capture: MicrophoneCapture, seconds: float | None, stop: StopFlag) -> Iterator[NDArray[np.float32]]:
    """Chunks at 16 kHz until `seconds` of sound have come or `stop` is set; all that was heard is given."""
    resampler = StreamResampler(capture.rate_hz)
    left = None if seconds is None else round(seconds * capture.rate_hz)
    while left is None or left > 0:
        is_last = stop.is_set
        samples = capture.read()
        if left is not None:
            samples = samples[:left]
            left -= len(samples)
        if len(samples):
            yield resampler.feed(samples)
        if is_last:
            break
        if len(samples) == 0:
            time.sleep(POLL_S)
    yield resampler.flush()


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Catch Ctrl-C and the request to terminate while the block runs."""
    flag = StopFlag()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, flag) for number in numbers]
    try:
        yield flag
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class UpdateWriter:
    """Writes updates to standard output in the chosen format, flushed."""

    def __init__(self, form: str, recognizer: Recognizer) -> None:
        self._text = TerminalText(sys.stdout) if form == "text" else None
        self._recognizer = recognizer

    def write(self, updates: list[LiveUpdate]) -> None:
        """Show partial text where it can be rewritten, and final text for good."""
        for update in updates:
            if isinstance(update, PartialUpdate) and self._text:
                self._text.show_partial(update.committed, update.unstable)
            elif isinstance(update, FinalUpdate):
                self._write_final(update)

    def _write_final(self, final: FinalUpdate) -> None:
        if self._text:
            self._text.write_final(final.text)
        elif final.text:
            line = {
                "segment": final.segment,
                "text": final.text,
                "words": [word_object(word) for word in final.words],
                "start_s": round(final.start_s, 4),
                "end_s": round(final.end_s, 4),
                "bundle": self._recognizer.bundle.card.name,
                "provider": self._recognizer.provider,
            }
            print(json.dumps(line, ensure_ascii=False), flush=True)
