"""A screen without hardware, and the real window on it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.events import STOP_FILE

ROOT = Path(__file__).parents[2]
POLL_S = 0.05


@contextmanager
def virtual_screen(size: str = "1440x960x24") -> Iterator[str]:
    """Start Xvfb on a display number that is free; gives DISPLAY. Skips the test where it is missing."""
    if shutil.which("Xvfb") is None:
        pytest.skip("no virtual screen: Xvfb is missing (apt-get install xvfb)")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp", "-noreset"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        if not number:
            pytest.fail(f"Xvfb does not start: exit status {server.wait(timeout=10)}")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(timeout=10)


class Window:
    """The app in a process of its own. Widgets are named by their object names."""

    def __init__(self, process: subprocess.Popen[str], connection: socket.socket, log: Path) -> None:
        self.process = process
        self._log = log
        self._file = connection.makefile("rw", encoding="utf-8")

    def ask(self, order: str, **arguments: Any) -> Any:
        """Let the window do something; see driven_window.py."""
        self._file.write(json.dumps({"do": order, **arguments}) + "\n")
        self._file.flush()
        line = self._file.readline()
        if not line:
            pytest.fail(f"the window is gone, exit status {self.process.wait(timeout=10)}: {self.log()}")
        answer = json.loads(line)
        if "error" in answer:
            pytest.fail(f"{order} {arguments}: {answer['error']}\n{self.log()}")
        return answer["value"]

    def click(self, name: str) -> None:
        self.ask("click", name=name)

    def text(self, name: str) -> str:
        return str(self.ask("text", name=name))

    def is_enabled(self, name: str) -> bool:
        return bool(self.ask("is_enabled", name=name))

    def wait_until(self, what: str, holds: Callable[[], Any], timeout_s: float = 30.0) -> Any:
        """Wait for the window to come to a state; gives what `holds` gave."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if found := holds():
                return found
            time.sleep(POLL_S)
        return pytest.fail(f"after {timeout_s:.0f} s still not: {what}\n{self.log()}")

    def log(self) -> str:
        """The last of what the app wrote to its terminal."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]


@contextmanager
def opened_window(folder: Path, environment: dict[str, str]) -> Iterator[Window]:
    """Start the app with its data in `folder`, wait for its window, and close it in the end."""
    ours, its = socket.socketpair()
    ours.settimeout(60)
    log = folder / "window.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("driven_window.py")],
            cwd=ROOT,
            env={
                **environment,
                "PYTHONPATH": str(ROOT),
                "W2V_STUDIO_HOME": str(folder / "studio-home"),
                "W2V_STUDIO_TEST_SOCKET": str(its.fileno()),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[its.fileno()],
            text=True,
        )
    its.close()
    window = Window(process, ours, log)
    try:
        window.wait_until("a window on the screen", lambda: window.ask("windows"), 30)
        yield window
        window.ask("close")
        assert process.wait(timeout=30) == 0, window.log()
    finally:
        ours.close()
        # Runs outlive the window by design; those of a test that failed must not outlive the test for long.
        for run in (folder / "studio-home" / "runs").glob("*"):
            (run / STOP_FILE).touch()
        if process.poll() is None:
            process.kill()
            process.wait(timeout=10)
