"""A screen, and what the tests say into a microphone."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.desktop.screen import ROOT, virtual_screen

SAMPLES = ROOT / "resources" / "samples"
BEFORE_S, AFTER_S = 0.5, 1.2


@dataclass(frozen=True)
class Speech:
    """A clip as a sound server wants it, and the words in it."""

    path: Path
    words: list[str]


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """DISPLAY of a virtual screen."""
    with virtual_screen() as display:
        yield display


def spoken(clips: list[tuple[Path, str]], path: Path, rate_hz: int) -> Speech:
    """Join clips to one stereo WAV of `rate_hz`, with quiet before, between and after."""
    quiet = np.zeros(round(BEFORE_S * rate_hz), np.float32)
    pieces = [quiet]
    for clip, _ in clips:
        waveform, clip_rate = soundfile.read(clip, dtype="float32")
        pieces += [soxr.resample(waveform, clip_rate, rate_hz), quiet]
    pieces.append(np.zeros(round(AFTER_S * rate_hz), np.float32))
    mono = np.concatenate(pieces)
    soundfile.write(path, np.stack([mono, mono], axis=1), rate_hz, subtype="PCM_16")
    return Speech(path, " ".join(text for _, text in clips).split())


def sample_text(name: str) -> str:
    """Transcript of a clip in resources/samples."""
    for line in (SAMPLES / "samples.tsv").read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if fields[0] == name:
            return fields[3]
    raise LookupError(f"{name} is not in resources/samples/samples.tsv")


@pytest.fixture
def say_digits(tmp_path):
    """Gives the digits of two sample clips, at a sampling rate."""

    def say(rate_hz: int) -> Speech:
        names = ("digits-jackson.flac", "digits-nicolas.flac")
        return spoken([(SAMPLES / name, sample_text(name)) for name in names], tmp_path / "spoken.wav", rate_hz)

    return say


@pytest.fixture
def window_environment(screen):
    """Adds the virtual screen to an environment, and takes away what would lead to another."""

    def on_screen(environment: dict[str, str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in environment.items()
            if not name.startswith(("QT_", "WAYLAND_", "DISPLAY", "XAUTHORITY"))
        }
        return kept | {"DISPLAY": screen, "QT_QPA_PLATFORM": "xcb", "OMP_NUM_THREADS": "1"}

    return on_screen


@pytest.fixture
def few_digits(tmp_path) -> Path:
    """A data set small enough to learn by heart in a minute, where the app looks for its own."""
    source = ROOT / "resources" / "datasets" / "digits-mini"
    folder = tmp_path / "studio-home" / "datasets" / "few"
    rows = (source / "train.tsv").read_text(encoding="utf-8").splitlines()
    chosen = [row for row in rows[1:] if row.split("\t")[2] == "jackson" and "_jackson_4." in row]
    for row in chosen:
        path = Path(row.split("\t")[0])
        (folder / path.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / path, folder / path)
    (folder / "train.tsv").write_text("\n".join([rows[0], *chosen]) + "\n", encoding="utf-8")
    return folder
