"""`w2v-studio doctor`: everything that decides whether the program works here, each as one finding."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from export.bundle import BundleError
from w2v_studio.assets import data_folder
from w2v_studio.audio.devices import AudioUnavailable, list_input_devices
from w2v_studio.bundles import broken_bundles, default_bundle, installed_bundles
from w2v_studio.models.checking import check_bundle
from w2v_studio.recognition.provider import cuda_obstacle, physical_cores, worker_threads
from w2v_studio.recognition.runtime_packages import installed_runtimes, runtime_conflict

State = Literal["good", "note", "bad"]
PACKAGES = ("numpy", "soundfile", "soxr", "sounddevice", "PySide6-Essentials", "pyqtgraph", "av", "text2num")
OPTIONAL = ("flashlight-text", "torch", "torchaudio", "onnx", "lhotse")
LEAST_FREE_GB = 1.0
MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy` says what to do where it is not good."""

    subject: str
    state: State
    text: str
    remedy: str = ""


def examine(*, as_json: bool) -> int:
    """Print the findings as they come; 1 if one is bad."""
    status = 0
    for look in LOOKS:
        for finding in look():
            status = max(status, int(finding.state == "bad"))
            if as_json:
                print(json.dumps(dataclasses.asdict(finding), ensure_ascii=False), flush=True)
            else:
                print(f"{MARKS[finding.state]}  {finding.subject}: {finding.text}", flush=True)
                if finding.remedy:
                    print(f"      -> {finding.remedy}", flush=True)
    return status


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def look_at_system() -> Iterator[Finding]:
    """The machine and Python."""
    cores = f"{physical_cores()} physical cores, {worker_threads()} threads for arithmetic"
    yield Finding("system", "good", f"{platform.platform()}, Python {platform.python_version()}, {cores}")


def look_at_packages() -> Iterator[Finding]:
    """What is installed, and what is missing."""
    missing = [name for name in PACKAGES if installed(name) is None]
    if missing:
        yield Finding(
            "packages", "bad", f"{', '.join(missing)} missing", "pip install 'w2v-studio[app]' (in a checkout: uv sync)"
        )
    else:
        yield Finding("packages", "good", ", ".join(f"{name} {installed(name)}" for name in PACKAGES))
    if installed("flashlight-text") is None:
        remedy = (
            "it has no wheels for Python 3.13; models that know phones, as small-en does, need it not, for a language "
            "model beside letters alone use Python 3.11 or 3.12"
        )
        yield Finding("language models", "note", "flashlight-text is missing", remedy)
    if importlib.util.find_spec("torch") is None:
        remedy = "pip install 'w2v-studio[train,export]' to train and to convert models"
        yield Finding("training", "note", "PyTorch is missing", remedy)
    else:
        present = [name for name in OPTIONAL if installed(name)]
        yield Finding("training", "good", ", ".join(f"{name} {installed(name)}" for name in present))


def look_at_runtime() -> Iterator[Finding]:
    """ONNX Runtime: exactly one of its packages."""
    conflict, remedy = runtime_conflict()
    found = installed_runtimes()
    if conflict:
        yield Finding("ONNX Runtime", "bad", conflict, remedy)
    elif not found:
        yield Finding("ONNX Runtime", "bad", "it is not installed", "pip install 'w2v-studio[app]'")
    else:
        yield Finding("ONNX Runtime", "good", " ".join(*found.items()))


def look_at_providers() -> Iterator[Finding]:
    """Where models run, and why not on a GPU."""
    obstacle = cuda_obstacle()
    if obstacle:
        yield Finding("provider", "note", f"models run on the CPU: {obstacle}")
    else:
        yield Finding("provider", "good", "CUDA can be used")


def look_at_models() -> Iterator[Finding]:
    """Every installed model, run on a sample on each provider."""
    try:
        default = default_bundle().folder
    except BundleError as error:
        yield Finding("models", "bad", str(error))
        return
    for bundle in installed_bundles():
        subject = f"model {bundle.card.name}{' (default)' if bundle.folder == default else ''}"
        try:
            found = check_bundle(bundle)
        except BundleError as error:
            yield Finding(subject, "bad", str(error), f"w2v-studio models remove {bundle.card.name}, then add it again")
            continue
        compared = "" if found.provider_difference is None else f", GPU within {found.provider_difference:.1e}"
        speed = f"{found.seconds_per_second:.3f} s of computing for a second of speech"
        state: State = "good" if found.seconds_per_second < 0.5 else "note"
        remedy = "" if state == "good" else "too slow for live words here: choose a smaller model"
        yield Finding(subject, state, f"works, {speed}{compared}", remedy)
    for broken in broken_bundles():
        yield Finding("model", "note", broken.reason, f"delete {broken.folder} or export it again")


def look_at_microphones() -> Iterator[Finding]:
    """Microphones; without one, files can still be transcribed."""
    try:
        devices = list_input_devices()
    except AudioUnavailable as error:
        yield Finding("microphones", "note", str(error))
        return
    if not devices:
        yield Finding(
            "microphones", "note", "none was found", "plug one in, or enable it in the system's sound settings"
        )
    for device in devices:
        mark = " (default)" if device.is_default else ""
        yield Finding("microphone", "good", f"{device.name}{mark}, {device.default_rate_hz:g} Hz")


def look_at_folders() -> Iterator[Finding]:
    """The user's folder: writable, with room."""
    folder = data_folder()
    place = next((parent for parent in (folder, *folder.parents) if parent.is_dir()), Path.cwd())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        remedy = "make it writable, or set W2V_STUDIO_HOME to another folder"
        yield Finding("data folder", "bad", f"{folder} cannot be written ({error.strerror})", remedy)
        return
    free_gb = shutil.disk_usage(place).free / 1e9
    if free_gb < LEAST_FREE_GB:
        yield Finding(
            "data folder", "note", f"{folder}: only {free_gb:.1f} GB free", "make room for recordings and runs"
        )
    else:
        yield Finding("data folder", "good", f"{folder}: {free_gb:.0f} GB free")


def look_at_display() -> Iterator[Finding]:
    """Whether a window can open."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        yield Finding("display", "note", "there is none: the window cannot open here", "the commands work without one")
    else:
        yield Finding("display", "good", os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or sys.platform)


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    look_at_system,
    look_at_packages,
    look_at_runtime,
    look_at_providers,
    look_at_models,
    look_at_microphones,
    look_at_folders,
    look_at_display,
)
"""In the order of the report, the quick ones first."""
