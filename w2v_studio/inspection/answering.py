"""Answers requests on a thread pool and brings the answers home by signal."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal

from w2v_studio.inspection.requests import Request

THREADS = 2
LOG = logging.getLogger(__name__)


class _Work(QRunnable):
    """One request on its way; `courier` lives on the GUI thread."""

    def __init__(self, request: Request, courier: Courier) -> None:
        super().__init__()
        self._request, self._courier = request, courier

    def run(self) -> None:
        """Answer, or say in one sentence why not."""
        if self._courier.closed:
            return
        try:
            answer = self._request.answer()
        except (ValueError, OSError, RuntimeError) as error:
            self._courier.refused.emit(self._request.number, str(error))
        except Exception as error:
            LOG.exception("a request of the inspection failed")
            name = type(self._request).__name__.removesuffix("Request").lower()
            self._courier.refused.emit(self._request.number, f"The {name} could not be computed: {error}")
        else:
            self._courier.answered.emit(answer)


class Courier(QObject):
    """Takes requests, in order of arrival, two at a time."""

    answered = Signal(object)  # Answer
    refused = Signal(int, str)  # number of the request, one sentence

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.closed = False
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(THREADS)

    def send(self, request: Request) -> None:
        """Have `request` answered."""
        if not self.closed:
            self._pool.start(_Work(request, self))

    def close(self) -> None:
        """Drop what waits, wait for what runs."""
        self.closed = True
        self._pool.clear()
        self._pool.waitForDone()
