"""Division of whole numbers in a graph: only by constants of the file that are 1 or more.

The least whole number divided by -1 has no result, and the processor ends the program that asks for it; ONNX Runtime
looks for divisors of 0 but not for that. What divides in a speech model's whole numbers is the stride of a convolution,
which is a constant. Kinds of numbers are followed through the graph, as divisions of floats are harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FLOATS = (1, 10, 11, 16)
"""Kinds of TensorProto.DataType that divide without a trap; 0 stands for an unknown kind."""
FLOAT, UINT8, INT32, INT64, BOOL = 1, 2, 6, 7, 9

GIVES = {
    **dict.fromkeys(["And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or"], (BOOL,)),
    **dict.fromkeys(("ArgMax", "Shape"), (INT64,)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), (INT32,)),
    "DynamicQuantizeLinear": (UINT8, FLOAT, UINT8),
    "QuantizeLinear": (UINT8,),
}
"""Kinds of the outputs of operators that give another kind than they take; for QuantizeLinear it is never a float."""
LIKE_SECOND = ("DequantizeLinear", "Where")
KEEPING = ("Expand", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""Operators whose result has the values of their first input."""


@dataclass(frozen=True)
class Numbers:
    """What a file holds under a name: elements, TensorProto.DataType, and the least of a few whole numbers."""

    elements: int = 0
    kind: int = 0
    least: int | None = None


class WholeDivision:
    """Fed with a graph's constants and inputs, then its operations in order. Raises ValueError for a division."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}
        self._least: dict[str, int | None] = {}

    def add_input(self, name: str, kind: int) -> None:
        """What the caller gives, or leaves at the constant of the same name."""
        self._kinds[name] = kind if self._kinds.get(name, kind) == kind else 0
        self._least.pop(name, None)

    def add_constant(self, name: str, numbers: Numbers) -> None:
        """A tensor of the file."""
        self._kinds[name], self._least[name] = numbers.kind, numbers.least

    def add_node(
        self, operator: str, inputs: list[str], outputs: list[str], attributes: Mapping[str, Numbers], where: str
    ) -> None:
        """An operation with its attributes by name."""
        taken = [self._kinds.get(name, 0) for name in inputs] or [0]
        if operator == "Div" and taken[0] not in FLOATS:
            least = self._least.get(inputs[1]) if len(inputs) > 1 else None
            if least is None or least < 1:
                raise ValueError(
                    f"{where} divides whole numbers by something that is no constant of 1 or more, which no bundle does"
                )
        kinds: tuple[int, ...]
        least = None
        if operator == "Cast":
            kinds = (attributes.get("to", Numbers()).least or 0,)
        elif operator in ("Constant", "ConstantOfShape"):
            held = next(iter(attributes.values()), Numbers(kind=FLOAT if operator == "ConstantOfShape" else 0))
            kinds, least = (held.kind,), held.least
        elif operator in LIKE_SECOND:
            kinds = tuple(taken[1:2]) or (0,)
        else:
            kinds = GIVES.get(operator, (taken[0],))
            least = self._least.get(inputs[0]) if operator in KEEPING and inputs else None
        for place, name in enumerate(outputs):
            self._kinds[name] = kinds[min(place, len(kinds) - 1)]
            self._least[name] = least
