"""A folder of recordings, with what is said in a text file of the same name beside each, or without. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from engine.data.formats.text_file import lines_of
from engine.data.manifest import Clip

AUDIO_SUFFIXES = (".flac", ".wav", ".opus", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".caf", ".sph", ".w64")
TEXT_SUFFIXES = (".normalized.txt", ".txt", ".lab")
"""In the order of preference: LibriTTS has a normalised text beside the original."""


def is_audio(name: str) -> bool:
    """Whether the file's name is that of a recording."""
    return name.lower().endswith(AUDIO_SUFFIXES)


def audio_by_stem(folder: Path) -> dict[str, Path]:
    """The recordings of one folder, by their names without the ending."""
    return {path.stem: path for path in sorted(folder.iterdir()) if is_audio(path.name)}


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        yield Path(place), sorted(names)


def holds_audio(folder: Path) -> bool:
    """Whether there is a recording in `folder` or below it."""
    return any(is_audio(name) for _, names in _walk(folder) for name in names)


def read_audio_folder(folder: Path, _root: Path | None = None) -> list[Clip]:
    """Every recording below `folder`. Lengths and speakers are not told; without a text a clip is unlabelled."""
    clips: list[Clip] = []
    for place, names in _walk(folder):
        there = set(names)
        for name in filter(is_audio, names):
            path = place / name
            text = next((path.stem + suffix for suffix in TEXT_SUFFIXES if path.stem + suffix in there), "")
            said = " ".join(" ".join(lines_of(place / text)).split()) if text else ""
            clips.append(Clip(path, 0.0, transcript=said, origin=str(path)))
    return clips
