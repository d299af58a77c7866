"""`w2v-studio transcribe`: audio files to text or JSON lines."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from tqdm import tqdm

from engine.text.ctc import Word
from w2v_studio.audio.files import AudioFileError, read_audio
from w2v_studio.commands.running import print_error
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import Transcript, transcribe


def transcribe_files(options: argparse.Namespace, recognizer: Recognizer) -> int:
    """Write a line for each readable file as soon as it is done; 1 if any could not be read, the others go on."""
    status = 0
    hidden = len(options.files) < 2 or not sys.stderr.isatty()
    with tqdm(options.files, unit="file", disable=hidden, file=sys.stderr, leave=False) as files:
        for path in files:
            try:
                transcript = transcribe(recognizer, read_audio(path))
            except AudioFileError as error:
                status = 1
                files.clear()
                print_error(error)
                continue
            files.clear()
            print(_line(options, path, transcript, recognizer), flush=True)
    return status


def _line(options: argparse.Namespace, path: str, transcript: Transcript, recognizer: Recognizer) -> str:
    if options.format == "text":
        return transcript.text if len(options.files) == 1 else f"{path}: {transcript.text}"
    return json.dumps(
        {
            "file": path,
            "text": transcript.text,
            "words": [word_object(word) for word in transcript.words],
            "duration_s": round(transcript.duration_s, 4),
            "bundle": recognizer.bundle.card.name,
            "provider": recognizer.provider,
        },
        ensure_ascii=False,
    )


def word_object(word: Word) -> dict[str, str | float]:
    """A word for JSON: `word`, `start_s`, `end_s`, `confidence`."""
    values = dataclasses.asdict(word)
    return {name: value if isinstance(value, str) else round(value, 4) for name, value in values.items()}
