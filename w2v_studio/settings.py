"""Every setting of the application, declared once, kept as versioned JSON in the data folder. No Qt here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2v_studio.assets import data_folder

VERSION = 1
FILE_NAME = "settings.json"


@dataclass(frozen=True)
class Setting:
    """One setting: its key in the file, default (whose type it has), label, and what it may be (empty: anything)."""

    key: str
    default: str | bool | int
    label: str
    choices: tuple[str, ...] = ()

    def accepts(self, value: object) -> bool:
        """Whether `value` has the right type and is allowed."""
        return type(value) is type(self.default) and (not self.choices or value in self.choices)


THEME = Setting("theme", "system", "Appearance", ("system", "light", "dark"))
MICROPHONE = Setting("microphone", "", "Microphone; empty takes the system's")
BUNDLE = Setting("bundle", "", "Folder of the model; empty takes the first one installed")
PROVIDER = Setting("provider", "auto", "Where the model runs", ("auto", "cpu", "cuda"))
LETTER_CASE = Setting("letter_case", "sentence", "Letters of the transcript", ("sentence", "lower", "as is"))
WRITE_MARKS = Setting("write_marks", True, "Spoken punctuation and commands")
WRITE_NUMBERS = Setting("write_numbers", True, "Numbers as digits")
RAW_WORDS = Setting("raw_words", False, "Words as recognised")
DECODING = Setting("decoding", "auto", "How final text is found", ("auto", "greedy", "beam", "lm"))
OFFER_SEEN = Setting("offer_seen", False, "Whether larger models were offered once")
SHOW_HISTORY = Setting("show_history", False, "Show past dictations")
WINDOW_GEOMETRY = Setting("window_geometry", "", "Place and size of the window, Qt's bytes in base 64")

SETTINGS = (
    THEME,
    MICROPHONE,
    BUNDLE,
    PROVIDER,
    LETTER_CASE,
    WRITE_MARKS,
    WRITE_NUMBERS,
    RAW_WORDS,
    DECODING,
    OFFER_SEEN,
    SHOW_HISTORY,
    WINDOW_GEOMETRY,
)

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version N -> what makes the values of version N + 1 from those of version N."""


class Settings:
    """Values by setting. Read once; every change is written at once, whole or not at all.

    A broken file is put aside and the defaults serve; a file of a newer version is read as far as it is understood
    and never overwritten. `problem` then says so in a sentence.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = data_folder() / FILE_NAME if path is None else path
        self.problem = ""
        self._writable = True
        self._values = self._read()

    def get(self, setting: Setting) -> Any:
        """The value, the default where none is stored or the stored one is not allowed."""
        value = self._values.get(setting.key, setting.default)
        return value if setting.accepts(value) else setting.default

    def set(self, setting: Setting, value: str | bool | int) -> None:
        """Store a value. Raises ValueError for one of another type or not among the choices."""
        if not setting.accepts(value):
            allowed = f"one of {', '.join(setting.choices)}" if setting.choices else type(setting.default).__name__
            raise ValueError(f"setting {setting.key} cannot be {value!r}: it must be {allowed}")
        if self._values.get(setting.key) == value:
            return
        self._values[setting.key] = value
        if self._writable:
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            version, values = int(content["version"]), dict(content["values"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._put_aside(error)
            return {}
        if version > VERSION:
            self._writable = False
            self.problem = (
                f"{self.path} was written by a newer version of w2v studio: changed settings are not kept; update it"
            )
        while version < VERSION:
            values = UPGRADES[version](values)
            version += 1
        return values

    def _put_aside(self, error: Exception) -> None:
        aside = self.path.with_suffix(".broken.json")
        self.problem = f"the settings could not be read ({error}); they were put aside as {aside}, defaults are used"
        try:
            self.path.replace(aside)
        except OSError:
            self._writable = False

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".tmp")
        content = {"version": VERSION, "values": self._values}
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(self.path)
