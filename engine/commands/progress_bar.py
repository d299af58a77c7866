"""How long work on many files goes, on standard error: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

LINE_EVERY_S = 10.0


class ProgressBar:
    """Called with what is done, how much, of how much. Work that is over at once leaves no trace in a file."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""
        self._told = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show it."""
        if not sys.stderr.isatty():
            if time.monotonic() - self._told >= LINE_EVERY_S:
                self._told = time.monotonic()
                print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)
            return
        if self._bar is None or what != self._what:
            self.close()
            from tqdm import tqdm

            self._bar, self._what = tqdm(total=total, desc=what, unit="file", file=sys.stderr, leave=False), what
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
