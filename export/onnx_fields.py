"""Fields of an ONNX file, walked without the onnx package (the app does not have it) and without reading weights.

ONNX files are messages of Protocol Buffers: a message is a row of fields, each a number, a wire type and a value, which
may be a message again. Raises ValueError for what is not in that format.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

MOST_FIELDS = 500_000
"""A 2-billion-weight model has 100,000. A file of nothing but tiny fields would take minutes."""

MOST_PACKED_BYTES = 100_000
"""Of numbers without a fixed size, which have to be read one by one. Weights are stored otherwise."""

Content = mmap.mmap | bytes


class FieldReader:
    """The fields of one file. What is skipped over is not read from the disk."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._left = MOST_FIELDS

    def fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """(field number, wire type, value or offset, size) of the message in bytes [at, end)."""
        while at < end:
            self._count()
            key, at = self._varint(at, end)
            number, kind = key >> 3, key & 7
            value, size = at, 0
            if kind == VARINT:
                value, at = self._varint(at, end)
            elif kind == BYTES:
                size, value = self._varint(at, end)
                at = value + size
            elif kind in (FIXED64, FIXED32):
                size = 8 if kind == FIXED64 else 4
                at += size
            else:
                raise ValueError(f"it is not in ONNX's format (wire type {kind})")
            if at > end:
                raise ValueError("it ends too early")
            yield number, kind, value, size

    def integers(self, kind: int, value: int, size: int) -> list[int]:
        """Signed numbers of a repeated field: one of its values, or many packed into bytes."""
        if kind == VARINT:
            return [_signed(value)]
        if kind != BYTES:
            raise ValueError(f"it is not in ONNX's format (a whole number of wire type {kind})")
        if size > MOST_PACKED_BYTES:
            raise ValueError(f"it holds {size} bytes of numbers that should be raw data")
        found, at, end = [], value, value + size
        while at < end:
            number, at = self._varint(at, end)
            found.append(_signed(number))
        return found

    def whole_numbers(self, at: int, size: int, width: int, is_signed: bool) -> list[int]:
        """Raw data of a tensor: numbers of `width` bytes each, little-endian."""
        content = self._content[at : at + size]
        return [
            int.from_bytes(content[place : place + width], "little", signed=is_signed)
            for place in range(0, size, width)
        ]

    def text(self, kind: int, value: int, size: int) -> str:
        """A name."""
        if kind != BYTES:
            raise ValueError(f"it is not in ONNX's format (a name of wire type {kind})")
        if size > MOST_PACKED_BYTES:
            raise ValueError(f"it holds a name of {size} bytes")
        try:
            return self._content[value : value + size].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError("it holds a name that is not UTF-8") from error

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it has more than {MOST_FIELDS} parts")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise ValueError("it ends too early")
            byte = self._content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
        raise ValueError("it is not in ONNX's format (endless number)")


def _signed(number: int) -> int:
    """Two's complement of 64 bits."""
    return number - (1 << 64) if number >> 63 else number
