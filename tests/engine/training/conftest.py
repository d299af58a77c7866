from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engine import events
from engine.config import RunConfig
from engine.events import Event, EventReader, Failed, Finished
from engine.training.run_folder import RunFolder
from engine.training.session import run_training
from engine.training.stopping import StopSignals

Listener = Callable[[Event], None]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def train() -> Callable[..., Finished | Failed]:
    """Trains a run in a folder and gives its last event."""

    def carry_out(
        run: RunConfig,
        folder: Path,
        resume: bool = False,
        listener: Listener = lambda _event: None,
        signals: StopSignals | None = None,
    ) -> Finished | Failed:
        with RunFolder(folder, listeners=(listener,)) as record:
            return run_training(run, record, resume=resume, signals=signals)

    return carry_out


@pytest.fixture
def told() -> Callable[..., list[Event]]:
    """All events of one kind in a run's file."""

    def read(folder: Path, kind: type[Event] = Event) -> list[Event]:
        reader = EventReader(folder)
        found = [event for event in reader.poll() if isinstance(event, kind)]
        assert not reader.broken_lines
        return found

    return read


@pytest.fixture
def stop_at() -> Callable[[Path, int], Listener]:
    """A listener that puts the stop file when a step is told."""

    def build(folder: Path, step: int) -> Listener:
        def listen(event: Event) -> None:
            if isinstance(event, events.Step) and event.step == step:
                events.request_stop(folder)

        return listen

    return build
