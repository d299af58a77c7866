"""What a bundle's graph may be made of, checked before ONNX Runtime sees it. Torch-free, and no weight is read.

A bundle may come from a stranger. ONNX Runtime takes a graph's word for sizes, reads other files that it names, and
runs loops for as long as they ask. What w2v-export writes has none of that: standard operators in one flat graph, with
tensors as long as they say. So nothing else is let in. What a graph computes out of inputs is bounded where it runs,
by the recognizer's limit of memory.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from export.constant_growth import ConstantGrowth
from export.onnx_fields import BYTES, FIXED32, FIXED64, VARINT, FieldReader
from export.whole_division import FLOAT, INT64, Numbers, WholeDivision

DOMAINS = ("", "ai.onnx")

WRITTEN = """
Add ArgMax Cast Clip Concat Conv Div DynamicQuantizeLinear Expand Gather Gelu Gemm InstanceNormalization
LayerNormalization Less MatMul MatMulInteger Mul Pad Range ReduceMean ReduceSum Relu Reshape Shape Slice Softmax Sqrt
Squeeze Sub Sum Transpose Unsqueeze Where
"""
"""Operators that w2v-export writes, now and in the versions before."""

RELATED = """
Abs And Constant ConstantOfShape ConvInteger DequantizeLinear Equal Erf Exp Flatten Greater GreaterOrEqual
GroupNormalization Identity LessOrEqual LogSoftmax Max Min Neg Not Or Pow QuantizeLinear Reciprocal ReduceMax
ReduceSumSquare Sigmoid Sign Split Tanh
"""
"""Harmless ones that another version of the exporter may choose."""

OPERATORS = frozenset(WRITTEN.split() + RELATED.split())
"""No Loop, Scan, If or other holder of graphs; nothing that repeats an input as often as a number says."""

ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Bytes of an element by TensorProto.DataType; others (text, complex, 4 and 8 bit floats) do not occur."""

TYPED = {4: (4, FIXED32), 5: (0, VARINT), 7: (0, VARINT), 10: (8, FIXED64), 11: (0, VARINT)}
"""Fields of TensorProto that hold numbers, by number: bytes of each (0: it varies) and the wire type of one alone."""

TYPED_FIELD = {1: 4, 6: 5, 5: 5, 4: 5, 3: 5, 2: 5, 9: 5, 10: 5, 16: 5, 7: 7, 11: 10, 12: 11, 13: 11}
"""Which of them belongs to which DataType."""

WHOLE = {
    2: (1, False),
    3: (1, True),
    4: (2, False),
    5: (2, True),
    6: (4, True),
    7: (8, True),
    12: (4, False),
    13: (8, False),
}
"""Kinds of whole numbers: bytes of each in raw data, and whether they have a sign."""
INT32_BYTES = 4
MOST_READ = 16
"""Whole numbers of a constant whose values are looked at: strides, axes and shapes."""

CONVOLUTIONS = ("Conv", "ConvInteger")
MOST_REACH = 10_000
"""Taps, strides, padding and groups of a convolution. With padding of millions, one alone takes minutes."""

MOST_AXES = 8
MOST_ELEMENTS = 1 << 31
"""As files end at 2 GB."""
MOST_NODES = 20_000
"""A 2-billion-weight model has 4,000."""


@dataclass(frozen=True)
class ValueForm:
    """A graph's input or output: TensorProto.DataType, and its axes, fixed (a number), free (a name or "")."""

    kind: int
    axes: tuple[int | str, ...] | None


@dataclass
class GraphForm:
    """What a graph takes and gives, by name."""

    inputs: dict[str, ValueForm] = field(default_factory=dict)
    outputs: dict[str, ValueForm] = field(default_factory=dict)


def check_graph(path: Path) -> GraphForm:
    """Raises ValueError with the reason for what is no ONNX file, or holds what no bundle may hold, or OSError."""
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _GraphCheck(FieldReader(content)).model(len(content))


class _GraphCheck:
    """One pass over one file. Field numbers are those of onnx.proto."""

    def __init__(self, reader: FieldReader) -> None:
        self._reader = reader
        self._form = GraphForm()
        self._growth = ConstantGrowth()
        self._division = WholeDivision()

    def model(self, length: int) -> GraphForm:
        graphs = []
        for number, kind, value, size in self._reader.fields(0, length):
            if number == 7 and kind == BYTES:
                graphs.append((value, value + size))
            elif number in (20, 25):
                raise ValueError("it holds functions or training steps of its own, which no bundle has")
        if len(graphs) != 1:
            raise ValueError("it holds no graph" if not graphs else "it holds several graphs")
        self._graph(*graphs[0])
        return self._form

    def _graph(self, at: int, end: int) -> None:
        nodes = []
        for number, kind, value, size in self._reader.fields(at, end):
            if number not in (1, 5, 11, 12, 13, 15):
                continue
            if kind != BYTES:
                raise ValueError(f"it is not in ONNX's format (wire type {kind} in the graph)")
            if number == 1:
                nodes.append((value, value + size))
            elif number == 5:
                name, numbers = self._tensor(value, value + size)
                self._growth.add_constant(name, numbers.elements)
                self._division.add_constant(name, numbers)
            elif number == 15:
                raise ValueError("it holds a sparse tensor, which no bundle has")
            else:
                name, form = self._value(value, value + size)
                {11: self._form.inputs, 12: self._form.outputs}.get(number, {})[name] = form
        if len(nodes) > MOST_NODES:
            raise ValueError(f"it has {len(nodes)} operations, more than the {MOST_NODES} that any model needs")
        for name, form in self._form.inputs.items():
            self._growth.add_input(name)
            self._division.add_input(name, form.kind)
        for start, stop in nodes:
            self._node(start, stop)

    def _node(self, at: int, end: int) -> None:
        names: dict[int, list[str]] = {1: [], 2: []}
        texts = {3: "", 4: "", 7: ""}
        spans = []
        for number, kind, value, size in self._reader.fields(at, end):
            if number in names:
                names[number].append(self._reader.text(kind, value, size))
            elif number in texts:
                texts[number] = self._reader.text(kind, value, size)
            elif number == 5 and kind == BYTES:
                spans.append((value, value + size))
        operator, domain = texts[4], texts[7]
        where = f"operation {_shown(texts[3] or ', '.join(names[2]))}"
        if domain not in DOMAINS:
            raise ValueError(f"{where} is {_shown(operator)} of {_shown(domain)}, which is not standard ONNX")
        if operator not in OPERATORS:
            raise ValueError(f"{where} is {_shown(operator)}, which no speech model of a bundle uses")
        widest = MOST_REACH if operator in CONVOLUTIONS else None
        attributes: dict[str, Numbers] = {}
        for start, stop in spans:
            name, numbers = self._attribute(start, stop, where, widest)
            if name in attributes:
                raise ValueError(f"{where} has the attribute {_shown(name)} twice")
            attributes[name] = numbers
        held = sum(numbers.elements for numbers in attributes.values())
        self._growth.add_node(operator, names[1], names[2], held, where)
        self._division.add_node(operator, names[1], names[2], attributes, where)

    def _attribute(self, at: int, end: int, where: str, widest: int | None) -> tuple[str, Numbers]:
        """The attribute's name and what it holds; its whole numbers are from 0 to `widest`."""
        elements = tensors = data_type = 0
        name = ""
        whole: list[int] = []
        least: int | None = None
        for number, kind, value, size in self._reader.fields(at, end):
            if number == 1:
                name = self._reader.text(kind, value, size)
            if number in (13, 21):
                self._reader.text(kind, value, size)
            if number in (6, 11):
                raise ValueError(f"{where} holds a graph of its own, which no bundle has")
            if number in (10, 14, 15, 22, 23):
                raise ValueError(f"{where} holds sparse tensors, lists of tensors or types, which no bundle has")
            if number in (3, 8):
                found = self._reader.integers(kind, value, size)
                whole, data_type = whole + found, INT64
                if widest is not None and not all(0 <= item <= widest for item in found):
                    raise ValueError(f"{where} is a convolution with {found[:6]}, which is not from 0 to {widest}")
            if number == 5 and kind == BYTES:
                tensors += 1
                tensor = self._tensor(value, value + size)[1]
                elements, data_type, least = elements + tensor.elements, tensor.kind, tensor.least
            elif number in (7, 8):
                elements += size // 4 if number == 7 and kind == BYTES else 1
            if number in (2, 7):
                data_type = FLOAT
        if tensors > 1:
            raise ValueError(f"{where} holds a tensor in pieces, which no bundle has")
        return name, Numbers(elements, data_type, min(whole) if whole else least)

    def _tensor(self, at: int, end: int) -> tuple[str, Numbers]:
        """Name and content of a tensor whose data are as long as its dimensions say."""
        dims: list[int] = []
        given: list[tuple[int, int, int]] = []
        data_type, name, is_outside = 0, "", False
        raw: list[int] = []
        typed: dict[int, int] = {}
        for number, kind, value, size in self._reader.fields(at, end):
            if number == 1:
                dims += self._reader.integers(kind, value, size)
            elif number == 2 and kind == VARINT:
                data_type = value
            elif number == 8:
                name = self._reader.text(kind, value, size)
            elif number == 9 and kind == BYTES:
                raw.append(size)
                given.append((kind, value, size))
            elif number in TYPED:
                given.append((kind, value, size))
                typed[number] = typed.get(number, 0) + self._typed_count(number, kind, value, size)
            elif number in (3, 6):
                raise ValueError("it holds a tensor of texts or in pieces, which no bundle has")
            elif number == 13 or (number == 14 and (kind != VARINT or value != 0)):
                is_outside = True
        label = f"tensor {_shown(name)}"
        if is_outside:
            raise ValueError(f"{label} takes its weights from other files, which a bundle must not")
        elements = _checked_size(label, dims, data_type, raw, typed)
        least = self._least(data_type, given, is_raw=bool(raw)) if 0 < elements <= MOST_READ else None
        return name, Numbers(elements, data_type, least)

    def _least(self, data_type: int, given: list[tuple[int, int, int]], *, is_raw: bool) -> int | None:
        """The least of a few whole numbers; None for others, and for the typed form of those without a sign."""
        if data_type not in WHOLE:
            return None
        width, is_signed = WHOLE[data_type]
        found: list[int] = []
        for kind, value, size in given:
            if is_raw:
                found += self._reader.whole_numbers(value, size, width, is_signed)
            elif is_signed and width >= INT32_BYTES:
                found += self._reader.integers(kind, value, size)
            else:
                return None
        return min(found, default=None)

    def _typed_count(self, number: int, kind: int, value: int, size: int) -> int:
        width, alone = TYPED[number]
        if kind == alone:
            return 1
        if kind != BYTES:
            raise ValueError(f"it is not in ONNX's format (numbers of wire type {kind})")
        return size // width if width else len(self._reader.integers(kind, value, size))

    def _value(self, at: int, end: int) -> tuple[str, ValueForm]:
        name, form = "", ValueForm(0, None)
        for number, kind, value, size in self._reader.fields(at, end):
            if number == 1:
                name = self._reader.text(kind, value, size)
            elif number == 2 and kind == BYTES:
                form = self._type(value, value + size, form)
        for axis in form.axes or ():
            if isinstance(axis, int) and not 0 <= axis < MOST_ELEMENTS:
                raise ValueError(f"{_shown(name)} has an axis of {axis} elements")
        return name, form

    def _type(self, at: int, end: int, form: ValueForm) -> ValueForm:
        for number, kind, value, size in self._reader.fields(at, end):
            if number in (4, 5, 7, 8, 9):
                raise ValueError("it holds lists, maps or options instead of tensors, which no bundle has")
            if number != 1 or kind != BYTES:
                continue
            for inner, inner_kind, inner_value, inner_size in self._reader.fields(value, value + size):
                if inner == 1 and inner_kind == VARINT:
                    form = ValueForm(inner_value, form.axes)
                elif inner == 2 and inner_kind == BYTES:
                    axes = (form.axes or ()) + self._axes(inner_value, inner_value + inner_size)
                    form = ValueForm(form.kind, axes)
        return form

    def _axes(self, at: int, end: int) -> tuple[int | str, ...]:
        axes: list[int | str] = []
        for number, kind, value, size in self._reader.fields(at, end):
            if number != 1 or kind != BYTES:
                continue
            axis: int | str = ""
            for inner, inner_kind, inner_value, inner_size in self._reader.fields(value, value + size):
                if inner == 1:
                    axis = self._reader.integers(inner_kind, inner_value, inner_size)[-1]
                elif inner == 2:
                    axis = self._reader.text(inner_kind, inner_value, inner_size)
            axes.append(axis)
        return tuple(axes)


def _checked_size(label: str, dims: list[int], data_type: int, raw: list[int], typed: dict[int, int]) -> int:
    """Elements of a tensor. Raises ValueError where its data are of another size, or too many."""
    if data_type not in ITEM_BYTES:
        raise ValueError(f"{label} holds numbers of the kind {data_type}, which no bundle has")
    if len(dims) > MOST_AXES or any(not 0 <= size <= MOST_ELEMENTS for size in dims):
        raise ValueError(f"{label} has the impossible shape {dims[: MOST_AXES + 1]}")
    elements = prod(dims)
    if elements > MOST_ELEMENTS:
        raise ValueError(f"{label} has the impossible shape {dims}")
    if len(raw) > 1 or (raw and typed) or any(number != TYPED_FIELD[data_type] for number in typed):
        raise ValueError(f"{label} holds its numbers in several ways")
    if raw:
        wanted, given, unit = elements * ITEM_BYTES[data_type], raw[0], "bytes"
    else:
        wanted, given, unit = elements, sum(typed.values()), "numbers"
    if wanted != given:
        raise ValueError(f"{label} of shape {dims} needs {wanted} {unit} and has {given}")
    return elements


def _shown(name: str) -> str:
    """A name from a file that may hold anything, for a message of one line."""
    return repr(name if len(name) <= 60 else name[:57] + "...")
