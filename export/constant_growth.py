"""How large the constants of a graph become when ONNX Runtime computes them at loading.

What depends on no input is computed once, before anything runs and outside any limit of memory: a file of a kilobyte
could ask for all memory there is. Sizes are bounded from above by what the operators can do. An operation whose result
may be larger than its inputs (`GROWING`) counts as the most that the runtime is told to keep, MOST_FOLDED_BYTES.
"""

from __future__ import annotations

MOST_FOLDED_BYTES = 128 * 1024 * 1024
"""Largest single result that is computed at loading; twice the largest weight of a 2-billion-weight model as float32.
"""

ITEM_BYTES = 8
"""Of a number, at most."""

MOST_GROWN = 8
"""Operations on constants that may each give as much as MOST_FOLDED_BYTES. Real graphs have up to two."""

GROWING = (
    "ConstantOfShape",
    "Conv",
    "ConvInteger",
    "Expand",
    "Gather",
    "Gemm",
    "MatMul",
    "MatMulInteger",
    "Pad",
    "Range",
)
LONGEST_SHAPE = 8
RESHAPING = ("Reshape", "Slice", "Split", "Squeeze", "Unsqueeze")


class ConstantGrowth:
    """Fed with a graph's constants and inputs, then its operations in order.

    Raises ValueError where too much is asked for, or an operation takes what comes only after it.
    """

    def __init__(self) -> None:
        self._elements: dict[str, int | None] = {"": None}
        self._stored = self._computed = 0

    def add_input(self, name: str) -> None:
        """What the caller gives."""
        self._elements.setdefault(name, None)

    def add_constant(self, name: str, elements: int) -> None:
        """A tensor of the file."""
        self._elements[name] = elements
        self._stored += elements

    def add_node(self, operator: str, inputs: list[str], outputs: list[str], held: int, where: str) -> None:
        """An operation, with as many elements in its attributes as `held`. What depends on an input is left out."""
        missing = [name for name in inputs if name not in self._elements]
        if missing:
            raise ValueError(f"{where} takes {missing[0][:60]!r}, which nothing before it gives")
        # The shape of anything may be known at loading, whatever its values are.
        if operator == "Shape":
            self._note(outputs, LONGEST_SHAPE, where)
            return
        sizes = [self._elements[name] for name in inputs if name]
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            self._elements.update(dict.fromkeys(outputs))
            return
        most = MOST_FOLDED_BYTES // ITEM_BYTES
        if operator in GROWING:
            elements = most
        elif operator == "Concat":
            elements = sum(known)
        elif operator == "Constant":
            elements = max(held, 1)
        else:  # of each other's shape, or broadcast
            elements = 1
            for size in known[:1] if operator in RESHAPING else known:
                elements = min(elements * max(size, 1), most)
        self._note(outputs, min(elements, most), where)

    def _note(self, outputs: list[str], elements: int, where: str) -> None:
        for name in outputs:
            self._elements[name] = elements
            self._computed += elements
        if self._computed * ITEM_BYTES > 4 * self._stored * ITEM_BYTES + MOST_GROWN * MOST_FOLDED_BYTES:
            raise ValueError(f"{where} makes constants of more than {self._computed * ITEM_BYTES / 1e9:.1f} GB")
