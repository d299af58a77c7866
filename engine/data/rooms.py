"""Reverberation: a clip as it sounds in a room. lhotse makes up the rooms and does the convolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engine.config import DataConfig
from engine.data.audio import SAMPLE_RATE, Waveform, read_audio, to_float
from engine.data.manifest import DataError
from engine.data.sources import read_source

LONGEST_S = 2.0
"""What an impulse response has after this is below hearing in any room that people speak in."""


def random_rooms(count: int, seed: int) -> list[Waveform]:
    """Impulse responses of random rooms at 16 kHz (fast random approximation, arXiv 2208.04101; T60 0.1 to 0.8 s).

    lhotse draws a part of each from torch's global generator, which is put back to where it was, and adds echoes that
    fall on one sample in the order of the threads: with one thread a seed always gives the same rooms.
    """
    import torch
    from lhotse.augmentation.utils import FastRandomRIRGenerator

    found = []
    before, threads = torch.default_generator.get_state(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for room in range(count):
            key = seed * 100_003 + room
            torch.default_generator.manual_seed(key)
            made = FastRandomRIRGenerator(sr=SAMPLE_RATE, room_seed=key, source_seed=key + 1)(nsource=1)
            found.append(np.ascontiguousarray(made[0], dtype=np.float32))
    finally:
        torch.default_generator.set_state(before)
        torch.set_num_threads(threads)
    return found


def recorded_rooms(path: Path) -> list[Waveform]:
    """Impulse responses from recordings, up to 2 s. Raises DataError."""
    rooms = []
    for clip in read_source(path, open_limit=0).all_clips():
        response = to_float(read_audio(clip.path, clip.part))[: round(LONGEST_S * SAMPLE_RATE)]
        if not response.any():
            raise DataError(f"{clip.origin}: the impulse response is silent: remove it from data.impulse_responses")
        rooms.append(response)
    return rooms


class Rooms:
    """A fixed set of rooms; a call puts a clip into one of them. Safe to call from several threads."""

    def __init__(self, data: DataConfig, seed: int) -> None:
        from lhotse.augmentation.rir import ReverbWithImpulseResponse

        given = data.impulse_responses
        self.responses = recorded_rooms(Path(given)) if given else random_rooms(data.rooms, seed)
        self._reverbs: list[Any] = [
            ReverbWithImpulseResponse(
                rir_generator=lambda nsource, response=response: response[None].repeat(nsource, 0)
            )
            for response in self.responses
        ]

    def __call__(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        """As long, as loud (mean power) and at the same time (direct sound) as before."""
        reverb = self._reverbs[int(rng.integers(len(self._reverbs)))]
        if not len(waveform):
            return waveform
        # a copy: read-only arrays make torch warn
        heard: Waveform = reverb(np.array(waveform[None]), SAMPLE_RATE)[0].astype(np.float32, copy=False)
        return heard
