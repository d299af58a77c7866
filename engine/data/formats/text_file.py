"""Text files as data comes in them: UTF-8, maybe with a byte order mark, maybe gzipped. No torch."""

from __future__ import annotations

import gzip
import io
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path

from engine.data.manifest import DataError

GZIP_MAGIC = b"\x1f\x8b"


def open_bytes(path: Path) -> io.BufferedReader | gzip.GzipFile:
    """The file, unpacked where it is gzipped, whatever its name."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    return gzip.open(path) if packed else path.open("rb")


def lines_of(path: Path) -> Iterator[str]:
    """Lines without their ends, read as they are asked for. Raises DataError."""
    try:
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is cut off or damaged ({error}): copy it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines that are not empty."""
    return list(itertools.islice((line for line in lines_of(path) if line.strip()), count))
