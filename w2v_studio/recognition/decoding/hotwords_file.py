"""A user's own list of hotwords: a phrase a line, after a tab its weight if that is not 1; # begins a remark."""

from __future__ import annotations

import math
from pathlib import Path

from w2v_studio.assets import data_folder
from w2v_studio.recognition.decoding.hotwords import MOST_PHRASES
from w2v_studio.recognition.decoding.settings import DecodingError, Hotword

FILE_NAME = "hotwords.txt"
LARGEST_BYTES = 1_000_000
GREATEST_WEIGHT = 10.0


def own_hotwords_file() -> Path:
    """Where the user's list is. May not exist yet."""
    return data_folder() / FILE_NAME


def read_hotwords(path: Path) -> tuple[Hotword, ...]:
    """The phrases of a file. Raises DecodingError naming the line."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DecodingError(f"{path} is larger than {LARGEST_BYTES} bytes: it is not a list of hotwords")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DecodingError(f"there is no list of hotwords {path}: write one phrase a line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DecodingError(f"the hotwords {path} cannot be read as UTF-8 text ({error})") from error
    found: dict[str, Hotword] = {}
    for number, line in enumerate(lines, 1):
        phrase, _, weight = line.partition("#")[0].strip().partition("\t")
        phrase = " ".join(phrase.split())
        if phrase:
            found[phrase.casefold()] = Hotword(phrase, _weight(weight.strip(), path, number))
    if len(found) > MOST_PHRASES:
        raise DecodingError(f"{path} has {len(found)} phrases, at most {MOST_PHRASES} are listened for: shorten it")
    return tuple(found.values())


def own_hotwords() -> tuple[Hotword, ...]:
    """The user's list; nothing where there is none. Raises DecodingError for a file that cannot be used."""
    path = own_hotwords_file()
    return read_hotwords(path) if path.is_file() else ()


def write_hotwords(path: Path, hotwords: tuple[Hotword, ...]) -> None:
    """Write a list, whole or not at all."""
    lines = [item.phrase if item.weight == 1 else f"{item.phrase}\t{item.weight:g}" for item in hotwords]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    part.replace(path)


def _weight(text: str, path: Path, line: int) -> float:
    if not text:
        return 1.0
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= GREATEST_WEIGHT:
        raise DecodingError(
            f"{path}, line {line}: the weight {text!r} is not a number from 0 to {GREATEST_WEIGHT:g}; "
            f"write PHRASE<tab>WEIGHT"
        )
    return weight
