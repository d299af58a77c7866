"""How much memory a model may take on this machine, so that one that asks for all of it gets an error instead.

ONNX Runtime allots what a graph asks for until the system ends the program, or others. From an arena of the process
that has a limit, asking for more is an error.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from pathlib import Path
from typing import Any

from export.bundle import MOST_FOLDED_BYTES

SHARE = 0.7
"""Of the machine's memory. 20 s of speech, the longest that is decoded at once, take a few hundred megabytes."""

LEAST_BYTES = 1 << 30
UNKNOWN_BYTES = 8 << 30
"""Taken as the machine's where the system does not tell."""

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int:
    """Bytes of memory that this process can have at most: the machine's, or its container's where that is less."""
    found = _windows_memory() if sys.platform == "win32" else _unix_memory()
    for name in CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            found = min(found, int(Path(name).read_text()))
    return found


def memory_limit() -> int:
    """Bytes for everything that models compute in this process."""
    return max(LEAST_BYTES, int(SHARE * machine_memory()))


def limit_memory(options: Any) -> None:
    """Let a session with these options take its memory from the limited arena, and fold no huge constants."""
    if _limited_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(MOST_FOLDED_BYTES))


@functools.cache
def _limited_arena() -> bool:
    """Make ONNX Runtime's arena of this process, which it can have one of. False where it has one already."""
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    try:
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg({"max_mem": memory_limit()}))
    except RuntimeError:
        return False
    return True


def _unix_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return UNKNOWN_BYTES


def _windows_memory() -> int:
    kilobytes = ctypes.c_ulonglong(0)
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 (mypy knows it on Windows only)
    known = kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
    return kilobytes.value * 1024 if known else UNKNOWN_BYTES
