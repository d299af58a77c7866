"""Whether CUDA can be used, and the session settings (docs: ONNX Runtime "thread management")."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any


class ProviderError(RuntimeError):
    """The asked-for execution provider does not work here. The message says why and what to choose."""


def worker_threads() -> int:
    """Threads for arithmetic: physical cores, at most 4 (more gain little on these sizes, and take from the rest)."""
    return max(1, min(4, physical_cores()))


def physical_cores() -> int:
    """Physical cores this process may use; logical ones where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            return len(allowed)
    return len(cores)


def cuda_obstacle() -> str:
    """Why CUDA cannot be used, in one sentence; "" when nothing speaks against trying."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "the installed ONNX Runtime has no CUDA support (onnxruntime-gpu has)"
    # Asked first, as loading CUDA and cuDNN only to find no GPU takes a second and hundreds of megabytes.
    obstacle = _driver_obstacle()
    if not obstacle:
        onnxruntime.set_default_logger_severity(4)
        onnxruntime.preload_dlls()
    return obstacle


def _driver_obstacle() -> str:
    """Ask the NVIDIA driver itself for its GPUs."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return "this machine has no NVIDIA driver"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return ""


def session_options(threads: int) -> Any:
    """Sequential, `threads` for arithmetic, no spinning, nothing logged below errors that raise anyway."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # patterns are kept for each length, and live windows have many lengths
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
