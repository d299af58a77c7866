"""What a run says: one dataclass an event, one JSON object a line. No torch here.

The run's folder is the protocol between the engine and whoever watches it (app, shell, another machine):

    config.json     the RunConfig
    events.jsonl    these events, flushed line by line; first `started`, last `finished` or `failed`
    log.txt         free text, never parsed
    heartbeat.json  process id, its start time and the time of writing, every few seconds
    stop            put here by whoever wants the run to save and end; removed by the engine
    checkpoints/    step-00000200.pt ...; `best.pt`
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TextIO

PROTOCOL_VERSION = 1
EVENTS_FILE = "events.jsonl"
CONFIG_FILE = "config.json"
LOG_FILE = "log.txt"
HEARTBEAT_FILE = "heartbeat.json"
STOP_FILE = "stop"
CHECKPOINT_FOLDER = "checkpoints"
TRAINABLE_FILE = "trainable.pt"
"""In a bundle: the weights as a checkpoint, to fine-tune it further."""


@dataclass(frozen=True)
class Event:
    """Base of all events; `time` is seconds since 1970."""

    event: ClassVar[str] = "event"


@dataclass(frozen=True)
class Started(Event):
    """The run begins, or goes on after a stop (`step` above 0)."""

    event: ClassVar[str] = "started"
    protocol: int
    task: str
    config: dict[str, Any]
    step: int
    updates: int
    device: str
    precision: str
    parameters: int
    train_clips: int
    train_s: float
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Step(Event):
    """Means over the updates since the last such event.

    `loss` is in nats per masked frame (pretrain) or per sentence (finetune); `accuracy` (contrastive, 0 to 1) and the
    two perplexities are None in fine-tuning. `throughput` is audio seconds per second, `eta_s` seconds to the end.
    """

    event: ClassVar[str] = "step"
    step: int
    loss: float | None
    learning_rate: float
    throughput: float
    elapsed_s: float
    eta_s: float
    gradient_norm: float | None = None
    accuracy: float | None = None
    contrastive_loss: float | None = None
    diversity_loss: float | None = None
    code_perplexity: float | None = None
    prob_perplexity: float | None = None
    gumbel_temperature: float | None = None
    audio_s: float = 0.0
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Evaluation(Event):
    """One pass over the valid manifests. `per` is the error rate of phones, where they are learned.

    `samples` holds a few fixed (reference, hypothesis) pairs.
    """

    event: ClassVar[str] = "evaluation"
    step: int
    loss: float | None
    accuracy: float | None = None
    code_perplexity: float | None = None
    prob_perplexity: float | None = None
    wer: float | None = None
    cer: float | None = None
    per: float | None = None
    samples: list[list[str]] = field(default_factory=list)
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """A checkpoint stands complete on disk; `path` is relative to the run's folder."""

    event: ClassVar[str] = "checkpoint"
    step: int
    path: str
    best: bool = False
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Warned(Event):
    """Something a person should know; the run goes on."""

    event: ClassVar[str] = "warning"
    message: str
    step: int = 0
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Finished(Event):
    """The run ended as it should: `reason` is completed, stopped or time_limit."""

    event: ClassVar[str] = "finished"
    step: int
    reason: str
    checkpoint: str
    time: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Failed(Event):
    """The run ended with an error that `message` explains, with the remedy."""

    event: ClassVar[str] = "failed"
    message: str
    step: int = 0
    time: float = field(default_factory=time.time)


KINDS: dict[str, type[Event]] = {
    kind.event: kind for kind in (Started, Step, Evaluation, CheckpointSaved, Warned, Finished, Failed)
}


def _finite(value: Any) -> Any:
    """NaN and infinity are not JSON: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def to_line(event: Event) -> str:
    """The event as one JSON line, without the newline."""
    values = {"event": event.event, **dataclasses.asdict(event)}
    return json.dumps(_finite(values), ensure_ascii=False, allow_nan=False)


def from_line(line: str) -> Event | None:
    """The event in `line`; None for one of a kind this version does not know. Raises ValueError for a broken line."""
    try:
        values = json.loads(line)
        kind = KINDS.get(values.pop("event"))
    except (json.JSONDecodeError, AttributeError, KeyError) as error:
        raise ValueError(f"not an event line: {line[:80]!r}") from error
    if kind is None:
        return None
    known = {item.name for item in dataclasses.fields(kind)}
    try:
        return kind(**{name: value for name, value in values.items() if name in known})
    except TypeError as error:
        raise ValueError(f"an incomplete {kind.event!r} event: {line[:80]!r}") from error


class EventWriter:
    """Appends events to a run's file, flushed one by one, and mirrors them to `mirror` (standard output)."""

    def __init__(self, folder: Path, mirror: TextIO | None = None) -> None:
        path = folder / EVENTS_FILE
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("a", encoding="utf-8")
        if torn:  # a killed run left half a line; end it so that the next event stands on its own
            self._file.write("\n")
        self._mirror = mirror

    def write(self, event: Event) -> None:
        """Append one event."""
        line = to_line(event) + "\n"
        self._file.write(line)
        self._file.flush()
        if self._mirror is not None:
            self._mirror.write(line)
            self._mirror.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class EventReader:
    """Follows a run's file by offset: `poll` gives what was added since; a torn last line waits for its end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE
        self._offset = 0
        self.broken_lines: list[str] = []

    def poll(self) -> list[Event]:
        """New events. Broken lines are kept in `broken_lines`, never raised."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        whole, newline, _ = content.rpartition(b"\n")
        if not newline:
            return []
        self._offset += len(whole) + 1
        events: list[Event] = []
        for line in whole.decode("utf-8", "replace").split("\n"):
            if not line.strip():
                continue
            try:
                event = from_line(line)
            except ValueError:
                self.broken_lines.append(line)
                continue
            if event is not None:
                events.append(event)
        return events


def request_stop(folder: Path) -> None:
    """Ask the run to finish its update, save and end."""
    part = folder / (STOP_FILE + ".tmp")
    part.write_text(str(time.time()), encoding="utf-8")
    part.replace(folder / STOP_FILE)


def write_heartbeat(folder: Path, process_started: float) -> None:
    """Say that this process lives; whole or not at all."""
    part = folder / (HEARTBEAT_FILE + ".tmp")
    beat = {"pid": os.getpid(), "process_started": process_started, "time": time.time()}
    part.write_text(json.dumps(beat), encoding="utf-8")
    part.replace(folder / HEARTBEAT_FILE)


def read_heartbeat(folder: Path) -> dict[str, float] | None:
    """The last heartbeat, or None where there is none to be read."""
    try:
        beat: dict[str, float] = json.loads((folder / HEARTBEAT_FILE).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return beat
