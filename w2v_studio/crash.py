"""What happens to an error that nobody caught: a report in the data folder, and a message that says where it is."""

from __future__ import annotations

import datetime
import faulthandler
import platform
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

KEPT_REPORTS = 20


def write_report(folder: Path, error: BaseException) -> Path:
    """Write what is known about `error` into `folder`, keep the newest 20, and give the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now()
    path = folder / f"crash-{now:%Y%m%d-%H%M%S-%f}.txt"
    lines = [
        f"w2v studio, {now.isoformat(timespec='seconds')}",
        f"Python {platform.python_version()}, {platform.platform()}",
        f"modules: {', '.join(_versions())}",
        "",
        *traceback.format_exception(type(error), error, error.__traceback__),
    ]
    path.write_text("\n".join(line.rstrip("\n") for line in lines) + "\n", encoding="utf-8")
    for old in sorted(folder.glob("crash-*.txt"))[:-KEPT_REPORTS]:
        old.unlink(missing_ok=True)
    return path


def _versions() -> list[str]:
    names = ("PySide6", "numpy", "onnxruntime", "pyqtgraph", "sounddevice", "soundfile")
    loaded = ((name, sys.modules.get(name)) for name in names)
    return [f"{name} {getattr(module, '__version__', '?')}" for name, module in loaded if module is not None]


class CrashReporter:
    """Catches errors of all threads once installed. `show` gets a sentence for the user, from any thread."""

    def __init__(self, folder: Path, show: Callable[[str], None]) -> None:
        self._folder, self._show = folder, show
        self._fault_file: TextIO | None = None

    def install(self) -> None:
        """Take over Python's hooks; hard crashes (segmentation faults) leave their stacks in crashes/fault.txt."""
        sys.excepthook = self.report
        threading.excepthook = lambda args: self.report(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._fault_file = (self._folder / "fault.txt").open("a", encoding="utf-8")
            faulthandler.enable(self._fault_file)
        except OSError:
            faulthandler.enable()

    def uninstall(self) -> None:
        """Give the hooks back."""
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
        faulthandler.disable()
        if self._fault_file is not None:
            self._fault_file.close()

    def report(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Write the report and say so; Ctrl-C is no crash."""
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        sys.__excepthook__(kind, error, trace)
        try:
            path = write_report(self._folder, error)
            sentence = f"Something went wrong ({kind.__name__}: {error}). The report is in {path}."
        except OSError as problem:
            sentence = f"Something went wrong ({kind.__name__}: {error}), and no report could be written: {problem}."
        self._show(sentence)
