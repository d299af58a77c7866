"""Real recordings joined into streams, with the times of their words: what a microphone would hear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.data.manifest import read_manifest
from engine.text.ctc import Word
from w2v_studio.audio.files import read_audio

RATE = 16000
KEPT_OUT = ("_0.", "_1.", "_2.", "_3.")
"""Recordings of the digits that the bundled model was not trained on."""
TRAINED_VOICES = ("george", "jackson", "lucas", "nicolas", "yweweler")
ROOM_DB = -65.0


@dataclass(frozen=True, eq=False)
class Stream:
    """`groups` are utterances: words between pauses, times in seconds."""

    waveform: np.ndarray
    groups: list[list[Word]]

    @property
    def text(self) -> str:
        return " ".join(word.word for group in self.groups for word in group)

    @property
    def seconds(self) -> float:
        return len(self.waveform) / RATE


def room(samples: int, rng: np.random.Generator, db: float = ROOM_DB) -> np.ndarray:
    """Quiet noise, as of a room and a microphone."""
    return rng.normal(0, 10 ** (db / 20), samples).astype(np.float32)


def digit_clips(speech: Path) -> list[tuple[str, np.ndarray]]:
    """Kept-out digits: (word, samples without the silence around)."""
    clips = []
    for name in ("train.tsv", "valid.tsv"):
        for clip in read_manifest(speech / "digits" / name):
            path = Path(clip.path)
            if any(mark in path.name for mark in KEPT_OUT) and any(voice in path.name for voice in TRAINED_VOICES):
                clips.append((clip.transcript, trimmed(read_audio(path))))
    return clips


def trimmed(waveform: np.ndarray, drop_db: float = 35.0) -> np.ndarray:
    """Without what is `drop_db` below the loudest 10 ms at both ends."""
    blocks = waveform[: len(waveform) // 160 * 160].reshape(-1, 160)
    energy = np.square(blocks).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (-drop_db / 10))
    return waveform[160 * loud[0] : 160 * (loud[-1] + 1)]


def digit_stream(
    clips: list[tuple[str, np.ndarray]],
    seconds: float,
    seed: int,
    group: tuple[int, int] = (1, 6),
    gap_s: tuple[float, float] = (0.05, 0.25),
    pause_s: tuple[float, float] = (0.9, 1.8),
) -> Stream:
    """Groups of digits, short gaps inside a group and long pauses between groups, until `seconds` are full."""
    rng = np.random.default_rng(seed)
    pieces, groups, now = [], [], 0

    def quiet(length_s: float) -> None:
        nonlocal now
        pieces.append(np.zeros(round(length_s * RATE), np.float32))
        now += len(pieces[-1])

    quiet(1.0)
    while now < seconds * RATE:
        words: list[Word] = []
        for place in range(int(rng.integers(group[0], group[1] + 1))):
            if place:
                quiet(rng.uniform(*gap_s))
            text, samples = clips[int(rng.integers(len(clips)))]
            words.append(Word(text, now / RATE, (now + len(samples)) / RATE, 1.0))
            pieces.append(samples * (0.1 / max(np.sqrt(np.square(samples).mean()), 1e-4)))
            now += len(samples)
        groups.append(words)
        quiet(rng.uniform(*pause_s))
    waveform = np.clip(np.concatenate(pieces), -1, 1).astype(np.float32)
    return Stream(waveform + room(len(waveform), rng), groups)


def read_aloud(speech: Path, seconds: float, seed: int, pause_s: float = 0.9) -> Stream:
    """Sentences of LibriSpeech with pauses between; words without times (all 0)."""
    rng = np.random.default_rng(seed)
    clips = [clip for clip in read_manifest(speech / "librispeech-mini" / "test.tsv")]
    pieces, groups, now = [np.zeros(RATE, np.float32)], [], RATE
    while now < seconds * RATE:
        clip = clips[int(rng.integers(len(clips)))]
        pieces += [read_audio(clip.path), np.zeros(round(pause_s * RATE), np.float32)]
        now += len(pieces[-1]) + len(pieces[-2])
        groups.append([Word(word, 0.0, 0.0, 1.0) for word in clip.transcript.split()])
    waveform = np.concatenate(pieces)
    return Stream(waveform + room(len(waveform), rng), groups)
