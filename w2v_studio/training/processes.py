"""Operating-system processes: start one that outlives the window, tell whether one still lives, end it. No Qt."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

START_TOLERANCE_S = 5.0
"""A clock that is set, and start times in whole seconds, move a process's start by about this much."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process by its number and by when it began (seconds since 1970): numbers are used again, both are not."""

    pid: int
    started: float


def _linux_start_time(pid: int) -> float | None:
    try:
        # The name in parentheses may hold spaces: what follows its end are fields 3 (state) and on; 22 is the start.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        uptime_s = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except OSError:
        return None
    if fields[0] in ("Z", "X"):
        return None
    return time.time() - (uptime_s - int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def _ps_start_time(pid: int) -> float | None:
    answer = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout.split(maxsplit=1)
    if len(answer) != 2 or answer[0].startswith("Z"):
        return None
    return time.mktime(time.strptime(answer[1].strip(), "%a %b %d %H:%M:%S %Y"))


def _windows_start_time(pid: int) -> float | None:
    if sys.platform != "win32":
        raise OSError("this asks the Windows kernel and runs only there")
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    query_limited_information, still_active = 0x1000, 259
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return None
    try:
        code = wintypes.DWORD()
        times = [wintypes.FILETIME() for _ in range(4)]
        kernel.GetExitCodeProcess(wintypes.HANDLE(handle), ctypes.byref(code))
        kernel.GetProcessTimes(wintypes.HANDLE(handle), *(ctypes.byref(item) for item in times))
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))
    if code.value != still_active:
        return None
    ticks = (times[0].dwHighDateTime << 32) + times[0].dwLowDateTime  # 100 ns since 1601
    return ticks / 1e7 - 11644473600


def process_start_time(pid: int) -> float | None:
    """When process `pid` began, seconds since 1970; None where there is none, or only a zombie."""
    if sys.platform == "win32":
        return _windows_start_time(pid)
    return _linux_start_time(pid) if sys.platform == "linux" else _ps_start_time(pid)


def is_alive(process: ProcessIdentity) -> bool:
    """Whether this very process runs. One of the same number that began later is another."""
    began = process_start_time(process.pid) if process.pid > 0 else None
    return began is not None and began <= process.started + START_TOLERANCE_S


def module_home(module: str) -> Path | None:
    """The folder that `python -m module` must run in to find the same module as this process; None: not installed."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parents[1] if spec is not None and spec.origin else None


def launch(command: Sequence[str], log: Path, working_folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a process of its own session whose output goes to the end of `log`; it lives on when we end.

    Raises OSError where it cannot be started.
    """
    with log.open("ab") as output:
        if sys.platform == "win32":
            flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                creationflags=flags,
                cwd=working_folder,
            )
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=working_folder,
        )


def kill(process: ProcessIdentity) -> None:
    """End the process now, unsaved. Nothing happens where it has ended already or its number has a new owner."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
