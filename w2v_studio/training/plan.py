"""What a person asked for, as a command line of the engine."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine import config
from engine.config import ConfigError, RunConfig, Task

FORM_SETTINGS = (
    "task",
    "name",
    "expects",
    "data.train",
    "data.valid",
    "ctc.checkpoint",
    "loop.updates",
    "loop.time_limit_s",
    "loop.device",
)
"""Settings that the plain form asks for; the table of all others leaves them out."""


@dataclass(frozen=True)
class Preset:
    """A preset file with its settings."""

    path: Path
    config: RunConfig

    @property
    def name(self) -> str:
        """The file's name, as `--preset` takes it."""
        return self.path.stem


def read_presets(folder: Path) -> list[Preset]:
    """Every preset that can be read, by name."""
    presets = []
    for path in sorted(folder.glob("*.toml")):
        try:
            presets.append(Preset(path, config.load(path)))
        except ConfigError:
            continue  # a preset of a newer version; the tests hold the shipped ones readable
    return presets


def setting_value(run: RunConfig, key: str) -> str:
    """The value of `section.name` in `run`, written as `--set` takes it."""
    value: object = run
    for name in key.split("."):
        value = getattr(value, name)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def run_folder_name(name: str, taken: Iterable[str]) -> str:
    """A name that every file system takes, made from what a person typed, unlike those taken."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:60] or "run"
    used = {other.lower() for other in taken}
    number, candidate = 2, base
    while candidate.lower() in used:
        candidate, number = f"{base}-{number}", number + 1
    return candidate


@dataclass(frozen=True)
class RunPlan:
    """A run before it starts. None leaves a value to the preset; `settings` maps `section.name` to text."""

    task: Task
    preset: Preset
    name: str
    train: tuple[Path, ...]
    valid: tuple[Path, ...] = ()
    start: Path | None = None
    updates: int | None = None
    time_limit_s: float | None = None
    device: str = "auto"
    settings: Mapping[str, str] = field(default_factory=dict)

    def changes(self) -> list[str]:
        """What differs from the preset, as `--set` takes it."""
        own: dict[str, str] = {}
        if self.name and self.name != self.preset.config.name:
            own["name"] = self.name
        if self.updates is not None:
            own["loop.updates"] = str(self.updates)
        if self.time_limit_s is not None:
            own["loop.time_limit_s"] = f"{self.time_limit_s:g}"
        if self.device != self.preset.config.loop.device:
            own["loop.device"] = self.device
        own |= self.settings
        return [f"{key}={value}" for key, value in own.items()]

    def checked(self) -> RunConfig:
        """The settings of the run. Raises ConfigError with what is missing or contradicts."""
        if not self.train:
            raise ConfigError("Tick at least one data set to train on.")
        return config.with_settings(self.preset.config, self.changes())

    def arguments(self, out: Path) -> list[str]:
        """Arguments of the engine that train this plan into the folder `out`."""
        arguments: list[str] = [self.task, "--preset", str(self.preset.path), "--out", str(out)]
        arguments += ["--data", *map(str, self.train)]
        if self.valid:
            arguments += ["--valid", *map(str, self.valid)]
        if self.start is not None:
            arguments += ["--from", str(self.start)]
        for change in self.changes():
            arguments += ["--set", change]
        return arguments


def resume_arguments(run: Path) -> list[str]:
    """Arguments of the engine that let a stopped run go on."""
    return ["resume", str(run)]


def shell_line(command: Sequence[str]) -> str:
    """The command as a person types it, quoted for the system's shell."""
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)
