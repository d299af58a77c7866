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
FEW_WORDS = ("ZERO", "TWO", "SIX", "SEVEN")
AROUND_S = ((0.1, 0.3), (0.3, 0.6), (0.6, 0.1))


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
        chosen = {"DISPLAY": screen, "QT_QPA_PLATFORM": "xcb", "OMP_NUM_THREADS": "1", "W2V_STUDIO_BUNDLE": "tiny-en"}
        return kept | chosen

    return on_screen


@pytest.fixture
def few_digits(tmp_path) -> Path:
    """Four words of one voice, with more or less quiet around, where the app looks for its own data sets.

    With a preset small enough to learn them by heart in about a minute.
    """
    source = ROOT / "resources" / "datasets" / "digits-mini"
    home = tmp_path / "studio-home"
    folder = home / "datasets" / "few"
    folder.mkdir(parents=True)
    header, *rows = [line.split("\t") for line in (source / "train.tsv").read_text(encoding="utf-8").splitlines()]
    lines = ["\t".join(header)]
    for path, _, speaker, transcript in rows:
        if not path.endswith("_jackson_4.flac") or transcript not in FEW_WORDS:
            continue
        waveform, rate = soundfile.read(source / path, dtype="float32")
        for before_s, after_s in AROUND_S:
            before, after = (np.zeros(round(seconds * rate), np.float32) for seconds in (before_s, after_s))
            padded = np.concatenate([before, waveform, after])
            name = f"{transcript.lower()}-{before_s:.1f}-{after_s:.1f}.flac"
            soundfile.write(folder / name, padded, rate)
            lines.append("\t".join([name, f"{len(padded) / rate:.3f}", speaker, transcript]))
    (folder / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (home / "presets").mkdir()
    shutil.copy(Path(__file__).with_name("by-heart.toml"), home / "presets")
    return folder
