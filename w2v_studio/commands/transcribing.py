"""`w2v-studio transcribe`: files to text, subtitles or words with times; several at once, with progress."""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2v_studio.audio.files import AudioFile, AudioFileError
from w2v_studio.commands.decoding import decoding_settings
from w2v_studio.commands.running import chosen_bundle, open_recognizer, print_error
from w2v_studio.commands.sound_progress import SoundProgress
from w2v_studio.recognition.decoding.decoder import build_decoder
from w2v_studio.recognition.provider import worker_threads
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import Cut, Transcriber, Waveform
from w2v_studio.transcripts.formats import ENDINGS, render
from w2v_studio.transcripts.out_files import (
    OutFileError,
    Recording,
    existing,
    recordings,
    with_targets,
    write_whole,
)
from w2v_studio.transcripts.written import Style, TranscriptWriter

LARGE_PARAMETERS = 150_000_000
"""Larger models are not loaded once for each core: their matrices keep all cores busy by themselves."""
ONE_FILE_ONLY = ("srt", "vtt", "textgrid")
"""Formats that cannot follow one another on standard output."""


class StoppedError(Exception):
    """The user has stopped the work."""


@dataclass(frozen=True)
class Outcome:
    """`content` is what goes to standard output, `complaint` and `warning` sentences for standard error."""

    content: str = ""
    complaint: str = ""
    warning: str = ""


def transcribe_files(options: argparse.Namespace) -> int:
    """Transcribe all; 1 if any could not be read or written, the others go on. Raises OutFileError, and what a model

    that cannot be opened raises.
    """
    found = planned(options)
    recognizers = open_recognizers(options, len(found))
    with SoundProgress([recording.path for recording in found]) as progress:
        batch = Batch(options, recognizers, progress)
        return batch.run(found)


def planned(options: argparse.Namespace) -> list[Recording]:
    """The recordings, with the files to write if any. Raises OutFileError."""
    found = recordings(options.files, recursive=options.recursive)
    if not found:
        raise OutFileError(f"no sound or video file lies in {', '.join(options.files)}; give files by name")
    ending = ENDINGS[options.format]
    if options.out is None and not options.beside:
        if options.force or options.skip_existing:
            raise OutFileError("--force and --skip-existing are for files: give --out or --beside too")
        if len(found) > 1 and options.format in ONE_FILE_ONLY:
            raise OutFileError(
                f"{len(found)} transcripts as {options.format} need files: give --out FOLDER or --beside"
            )
        return found
    out = None if options.out is None else Path(options.out)
    several = len(found) > 1 or any(Path(name).is_dir() for name in options.files)
    into_folder = out is not None and (several or out.is_dir() or options.out.endswith(("/", os.sep)))
    if out is not None and into_folder and (out.is_file() or (not out.is_dir() and out.suffix == ending)):
        raise OutFileError(f"{out} is the name of a file; {len(found)} transcripts need a folder")
    result = with_targets(found, out, ending, into_folder=into_folder)
    for recording in result:
        if recording.target is not None and recording.target.exists() and recording.target.samefile(recording.path):
            raise OutFileError(f"{recording.target} is the recording itself; write the transcript elsewhere")
    return result


def open_recognizers(options: argparse.Namespace, files: int) -> list[Recognizer]:
    """One, or one for each file at once: models this small gain more from files side by side than from threads."""
    cores = worker_threads()
    wanted = min(files, options.jobs or cores)
    if options.jobs is None and chosen_bundle(options).card.parameters > LARGE_PARAMETERS:
        wanted = 1
    first = open_recognizer(options, max(1, cores // wanted))
    if first.provider != "CPU":
        return [first]
    return [first, *(Recognizer(first.bundle, "cpu", max(1, cores // wanted)) for _ in range(wanted - 1))]


class Batch:
    """Transcribes recordings in as many threads as there are recognizers, and reports in the order given."""

    def __init__(self, options: argparse.Namespace, recognizers: list[Recognizer], progress: SoundProgress) -> None:
        self._options, self._progress = options, progress
        bundle = recognizers[0].bundle
        style: Style = "raw" if options.raw else "dictated" if options.dictated else "written"
        cut: Cut = "never" if options.whole else "pauses" if options.pauses else "auto"
        settings = decoding_settings(options)
        names = [hotword.phrase for hotword in settings.hotwords]
        self._writer = TranscriptWriter(bundle.card.language, style, names)
        self._about = {"bundle": bundle.card.name, "provider": recognizers[0].provider}
        self._stop = threading.Event()
        self._workers = len(recognizers)
        self._free: queue.SimpleQueue[Transcriber] = queue.SimpleQueue()
        for recognizer in recognizers:
            self._free.put(Transcriber(recognizer, build_decoder(bundle, settings), cut))

    def run(self, found: list[Recording]) -> int:
        """The exit status. Ctrl-C ends at once what runs; finished files stay."""
        status, is_one = 0, len(found) == 1
        pool = ThreadPoolExecutor(self._workers)
        try:
            for future in [pool.submit(self._outcome, recording, is_one) for recording in found]:
                outcome = future.result()
                status = max(status, self._report(outcome))
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
        return status

    def _report(self, outcome: Outcome) -> int:
        self._progress.clear()
        for sentence in (outcome.warning, outcome.complaint):
            if sentence:
                print_error(sentence)
        if outcome.content:
            sys.stdout.write(outcome.content)
            sys.stdout.flush()
        return int(bool(outcome.complaint))

    def _outcome(self, recording: Recording, is_one: bool) -> Outcome:
        target = recording.target
        if target is not None and target.exists() and not self._options.force:
            self._progress.finish(recording.path)
            return Outcome(complaint="" if self._options.skip_existing else existing(target))
        transcriber = self._free.get()
        try:
            return self._transcribed(transcriber, recording, is_one)
        except StoppedError:
            return Outcome()
        except (AudioFileError, OutFileError) as error:
            return Outcome(complaint=str(error))
        except Exception as error:  # whatever one file does to a library, the others go on
            summary = str(error).splitlines()[0] if str(error) else type(error).__name__
            return Outcome(complaint=f"{recording.path} could not be transcribed ({summary}); try to convert it to WAV")
        finally:
            self._free.put(transcriber)
            self._progress.finish(recording.path)

    def _transcribed(self, transcriber: Transcriber, recording: Recording, is_one: bool) -> Outcome:
        with AudioFile(recording.path) as file:
            written = self._writer.write(transcriber.transcribe(self._watched(file)))
        about: dict[str, Any] = {**self._about, "warning": file.warning} if file.warning else self._about
        form = self._options.format
        content = render(form, recording.path, written, about)
        if recording.target is not None:
            write_whole(recording.target, content, force=self._options.force)
            return Outcome(warning=file.warning)
        if form == "text":
            line = " ".join(written.text.split("\n"))
            content = f"{written.text}\n" if is_one else f"{recording.path}: {line}\n"
        return Outcome(content, warning=file.warning)

    def _watched(self, file: AudioFile) -> Iterator[Waveform]:
        for block in file.blocks():
            if self._stop.is_set():
                raise StoppedError
            yield block
            self._progress.advance(file.path, len(block))
