"""Calls that take too long for the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

Result = TypeVar("Result")


class Background(QObject):
    """Makes calls one after the other on a thread of its own; each result comes home on the GUI thread."""

    _came_home = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._closed = False
        self._came_home.connect(self._deliver)

    def run(self, call: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Make `call` over there, then hand its result to `then` here. What `call` raises is raised here."""
        if self._closed:
            return

        def done(future: Future[Result]) -> None:
            if not future.cancelled():
                self._came_home.emit(lambda: then(future.result()))

        self._thread.submit(call).add_done_callback(done)

    def close(self) -> None:
        """Wait for the call under way, drop those that wait and results not yet delivered."""
        self._closed = True
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _deliver(self, deliver: Callable[[], None]) -> None:
        if not self._closed:
            deliver()
