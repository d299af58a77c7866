"""What the models window does in the background: adding, checking, teaching. Lines of progress come home as signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from export.bundle import Bundle, BundleError
from w2v_studio.background import Background
from w2v_studio.models.adding import AddingCancelledError, AddRequest, ModelAdder
from w2v_studio.models.checking import BundleCheck, check_bundle
from w2v_studio.models.teaching import teach_model


class ModelTasks(QObject):
    """One task at a time. Errors arrive as sentences with a remedy."""

    progressed = Signal(str)
    added = Signal(object)
    """Bundle."""
    checked = Signal(object, object)
    """Bundle and BundleCheck."""
    taught = Signal(object)
    """Taught."""
    failed = Signal(str)
    cancelled = Signal()
    ended = Signal()
    """After each of the five above."""

    def __init__(self, make_adder: Callable[[], ModelAdder] = ModelAdder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._make_adder = make_adder
        self._adder: ModelAdder | None = None
        self._background = Background(self)
        self.is_busy = False

    @property
    def can_be_cancelled(self) -> bool:
        """Whether the running task is one that takes minutes, and stops when asked."""
        return self.is_busy and self._adder is not None

    def add(self, request: AddRequest) -> None:
        """Install a model."""
        if self.is_busy:
            return
        adder = self._adder = self._make_adder()
        self._start(lambda: adder.add(request, self.progressed.emit), self.added.emit)

    def check(self, bundle: Bundle) -> None:
        """Run a model on a sample."""

        def done(found: BundleCheck) -> None:
            self.checked.emit(bundle, found)

        self._start(lambda: check_bundle(bundle), done)

    def teach(self, bundle: Bundle, texts: Sequence[Path]) -> None:
        """Teach a model texts."""
        self._start(lambda: teach_model(bundle, texts, self.progressed.emit), self.taught.emit)

    def cancel(self) -> None:
        """Stop adding; `cancelled` follows."""
        if self._adder is not None:
            self._adder.cancel()

    def close(self) -> None:
        """Cancel and wait."""
        self.cancel()
        self._background.close()

    def _start(self, call: Callable[[], object], done: Callable[..., None]) -> None:
        if self.is_busy:
            return
        self.is_busy = True

        def attempt() -> object:
            try:
                return call()
            except (BundleError, AddingCancelledError, OSError) as error:
                return error

        def finish(result: object) -> None:
            self.is_busy, self._adder = False, None
            if isinstance(result, AddingCancelledError):
                self.cancelled.emit()
            elif isinstance(result, Exception):
                self.failed.emit(str(result))
            else:
                done(result)
            self.ended.emit()

        self._background.run(attempt, finish)
