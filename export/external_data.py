"""Whether an ONNX file points to other files, found without the onnx package (the app does not have it).

A graph's tensors may lie in files named inside it, at any path. A bundle from a stranger must not make the app read
those, so bundles hold no such tensors. This walks the protobuf wire format and looks at nothing else.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

INNER: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""onnx.proto: which fields of a message hold messages on the way to a tensor."""

EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of TensorProto; a location other than 0 is outside the file."""


def has_external_data(path: Path) -> bool:
    """True where a tensor of the graph lies outside `path`. Raises ValueError for what is no ONNX file, or OSError."""
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        pending = [("model", 0, len(content))]
        graphs = 0
        while pending:
            message, start, end = pending.pop()
            for number, kind, value, size in _fields(content, start, end):
                if message == "tensor":
                    if number == EXTERNAL_DATA or (number == DATA_LOCATION and kind == VARINT and value != 0):
                        return True
                elif kind == BYTES and number in INNER[message]:
                    inner = INNER[message][number]
                    graphs += message == "model" and inner == "graph"
                    pending.append((inner, value, value + size))
        if graphs == 0:
            raise ValueError("it holds no graph")
    return False


def _fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, value or offset, size) of a message's fields."""
    while at < end:
        key, at = _varint(content, at, end)
        number, kind = key >> 3, key & 7
        value, size = at, 0
        if kind == VARINT:
            value, at = _varint(content, at, end)
        elif kind == BYTES:
            size, value = _varint(content, at, end)
            at = value + size
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
            at += size
        else:
            raise ValueError(f"it is not in ONNX's format (wire type {kind})")
        if at > end:
            raise ValueError("it ends too early")
        yield number, kind, value, size


def _varint(content: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ValueError("it ends too early")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is not in ONNX's format (endless number)")
