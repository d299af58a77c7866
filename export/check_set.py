"""Recordings that precisions are measured on: a manifest, or the clips that come with the app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.data.audio import read_audio, to_float
from engine.data.manifest import DataError, read_manifest
from export.graph import ExportError

LONGEST_S = 30.0
"""Clips above this are left out: a whole one goes through the network at once."""

LARGEST_S = 3600.0
"""What a check set is cut to. Differences of 2 % need no more, and more would take longer than the export."""

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class CheckClip:
    """A waveform (samples,) f32 at 16 kHz and what is said in it ("" where that is not known)."""

    waveform: NDArray[np.float32]
    transcript: str


@dataclass(frozen=True)
class CheckSet:
    """Clips, and the name that the table gives them."""

    name: str
    clips: tuple[CheckClip, ...]

    @property
    def audio_s(self) -> float:
        """Seconds of all clips."""
        return sum(len(clip.waveform) for clip in self.clips) / 16000


def shipped_samples() -> Path:
    """Beside the packages in a checkout, inside the app's package when installed from a wheel."""
    checkout = PACKAGE.parent / "resources" / "samples"
    folder = checkout if checkout.is_dir() else PACKAGE.parent / "w2v_studio" / "resources" / "samples"
    return folder / "samples.tsv"


def read_check_set(manifest: Path | None) -> CheckSet:
    """The clips of `manifest`; None takes the shipped ones. Raises ExportError."""
    path = manifest or shipped_samples()
    clips, total_s = [], 0.0
    try:
        for clip in read_manifest(path):
            if clip.duration_s > LONGEST_S or total_s + clip.duration_s > LARGEST_S:
                continue
            waveform = to_float(read_audio(clip.path, clip.part))
            if 400 <= len(waveform) <= LONGEST_S * 16000 * 1.1:
                clips.append(CheckClip(waveform, clip.transcript))
                total_s += len(waveform) / 16000
    except DataError as error:
        raise ExportError(f"the recordings for measuring cannot be read: {error}") from error
    if not clips:
        raise ExportError(f"{path} has no clip of up to {LONGEST_S:.0f} s to measure with: give another --check")
    return CheckSet("shipped samples" if manifest is None else path.name, tuple(clips))
