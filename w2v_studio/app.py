"""Starts the window. What it is made of, and how the parts are connected, is in `w2v_studio.studio`.

Qt is imported only after `display_obstacle` found nothing in the way: it ends the process where it cannot start.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from w2v_studio.display import display_obstacle, explain_missing

IMPORTED_AT = time.monotonic()
STARTUP_VARIABLE = "W2V_STUDIO_STARTUP_TIME"
"""Set to anything, it prints when the window was first painted; "quit" also closes it then."""


def run(argv: Sequence[str] | None = None) -> int:
    """Open the window and stay until it is closed; the exit status."""
    arguments = list(sys.argv if argv is None else argv)
    # other libraries that look for a Qt (pyqtgraph) must find this one
    os.environ["QT_API"] = "pyside6"
    os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"
    obstacle = display_obstacle()
    if not obstacle:
        try:
            from w2v_studio.studio import run_studio
        except ImportError as error:
            if "PySide6" not in str(error) and ".so" not in str(error):
                raise
            obstacle = explain_missing(str(error)) if ".so" in str(error) else f"{error}: set up again with ./studio"
    if obstacle:
        print(f"w2v-studio: {obstacle}", file=sys.stderr)
        return 1
    return run_studio(arguments, on_first_paint=report_startup)


def report_startup() -> bool:
    """Print how long the start took, if asked to; whether to close the window again."""
    wish = os.environ.get(STARTUP_VARIABLE, "")
    if wish:
        print(f"window painted after {process_age_s():.2f} s", flush=True)
    return wish == "quit"


def process_age_s() -> float:
    """Seconds since this process began; since this module was imported where the system does not say."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime_s = float(Path("/proc/uptime").read_text().split()[0])
        return uptime_s - started_ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - IMPORTED_AT
