"""Why no window can open, in one sentence with the remedy; asked before Qt, which would end the process. No Qt here."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
"""Debian's package of each library that Qt needs for a window."""


def display_obstacle(environment: Mapping[str, str] | None = None) -> str:
    """The sentence, or "" where nothing is known to be in the way."""
    if not sys.platform.startswith("linux"):
        return ""
    environment = os.environ if environment is None else environment
    platform = environment.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if platform not in ("", "xcb"):
        return ""
    has_x11, has_wayland = bool(environment.get("DISPLAY")), bool(environment.get("WAYLAND_DISPLAY"))
    if not has_x11 and not (has_wayland and platform == ""):
        return (
            "there is no display to open a window on: start w2v-studio from a desktop session, "
            "or use `w2v-studio transcribe` and `w2v-studio dictate` in the terminal"
        )
    if has_wayland and platform == "":
        return ""
    return missing_library() or unreachable_display(environment["DISPLAY"])


def missing_library() -> str:
    """A system library that Qt's X11 plugin lacks, with the command that installs it."""
    found = importlib.util.find_spec("PySide6")
    if found is None or found.origin is None:
        return "the window needs PySide6, which is not installed: set up again with ./studio, or `uv sync`"
    plugin = Path(found.origin).parent / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    if not plugin.is_file():
        return ""
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        return explain_missing(str(error))
    return ""


def explain_missing(message: str) -> str:
    """The loader's complaint as a sentence."""
    named = re.match(r"(\S+\.so[\w.]*): cannot open", message)
    if named is None:
        return f"the window cannot open, because Qt's X11 plugin does not load: {message}"
    library = named.group(1)
    package = PACKAGES.get(library)
    remedy = f"sudo apt-get install {package}" if package else f"your system's package with {library}"
    return f"the window cannot open, because the system library {library} is missing; install it with: {remedy}"


def unreachable_display(name: str) -> str:
    """Whether the X server answers."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        return explain_missing(str(error))
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(name.encode(), None))
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    if failed:
        return (
            f"the display {name} does not answer: check DISPLAY (and `ssh -X` for a remote machine), "
            f"or use `w2v-studio transcribe` and `w2v-studio dictate` in the terminal"
        )
    return ""
