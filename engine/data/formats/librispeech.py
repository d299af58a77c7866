"""LibriSpeech as it is distributed: SPEAKER/CHAPTER/ with SPEAKER-CHAPTER-0000.flac and one .trans.txt. No torch."""

from __future__ import annotations

from pathlib import Path

from engine.data.formats.audio_folder import audio_by_stem
from engine.data.formats.text_file import lines_of
from engine.data.manifest import Clip, DataError

TRANSCRIPTS = "*.trans.txt"


def is_librispeech(folder: Path) -> bool:
    """Whether there are transcripts of chapters in `folder` or below it."""
    return next(folder.rglob(TRANSCRIPTS), None) is not None


def read_librispeech(folder: Path, _root: Path | None = None) -> list[Clip]:
    """Every utterance below `folder`: a split, several, a speaker, a chapter. Lengths are not told."""
    clips: list[Clip] = []
    for transcripts in sorted(folder.rglob(TRANSCRIPTS)):
        audio = audio_by_stem(transcripts.parent)
        for number, line in enumerate(lines_of(transcripts), 1):
            name, _, text = line.strip().partition(" ")
            if not name:
                continue
            origin = f"{transcripts}:{number}"
            if name not in audio:
                raise DataError(f"{origin}: there is no {name}.flac beside it: unpack the archive again")
            clips.append(Clip(audio[name], 0.0, name.partition("-")[0], " ".join(text.split()), origin))
    return clips
