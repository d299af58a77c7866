"""Two rewritings of a context graph for ONNX Runtime's CPU provider; results stay the same.

A product of (batch, frames, K) with a weight, plus a bias, becomes one Gemm on (batch x frames, K): the bias is where
the product starts from instead of another pass. A sum that is normed next becomes a Sum: ONNX Runtime would turn an
Add before a LayerNormalization into SkipLayerNormalization, which takes four times as long on a CPU as the two do.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import helper, numpy_helper

ROWS = "rows_of"
"""Names of what is added here start so."""


def use_row_products(proto: onnx.ModelProto, rows_like: str) -> int:
    """Rewrite products with a bias, in place. `rows_like` names an input (batch, frames, ...). Returns how many."""
    graph = proto.graph
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input) + Counter(item.name for item in graph.output)
    adds = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    rewritten: dict[str, list[onnx.NodeProto]] = {}
    widths = set()
    for node in graph.node:
        if node.op_type != "MatMul" or len(sizes.get(node.input[1], ())) != 2 or node.input[0] in sizes:
            continue
        add = adds.get(node.output[0])
        if add is None or uses[node.output[0]] != 1:
            continue
        bias = add.input[1] if add.input[0] == node.output[0] else add.input[0]
        if sizes.get(bias) != sizes[node.input[1]][1:]:
            continue
        width = sizes[node.input[1]][0]
        widths.add(width)
        flat, product = f"{ROWS}.{node.name}.flat", f"{ROWS}.{node.name}.product"
        rewritten[node.output[0]] = []
        rewritten[add.output[0]] = [
            helper.make_node("Reshape", [node.input[0], f"{ROWS}.{width}"], [flat], f"{node.name}.flat"),
            helper.make_node("Gemm", [flat, node.input[1], bias], [product], f"{node.name}.gemm"),
            helper.make_node("Reshape", [product, f"{ROWS}.shape"], [add.output[0]], f"{node.name}.rows"),
        ]
    nodes = [made for node in graph.node for made in rewritten.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(_shape_nodes(rows_like) if rewritten else [])
    graph.node.extend(nodes)
    if rewritten:
        _add_integers(graph, f"{ROWS}.last", [-1])
    for width in sorted(widths):
        _add_integers(graph, f"{ROWS}.{width}", [-1, width])
    return len(rewritten) // 2


def keep_sums_apart(proto: onnx.ModelProto) -> int:
    """Turn each Add that a LayerNormalization takes into a Sum, in place. Returns how many."""
    normed = {node.input[0] for node in proto.graph.node if node.op_type == "LayerNormalization"}
    found = [node for node in proto.graph.node if node.op_type == "Add" and node.output[0] in normed]
    for node in found:
        node.op_type = "Sum"
    return len(found)


def _shape_nodes(rows_like: str) -> list[onnx.NodeProto]:
    """(batch, frames, -1) of an input."""
    return [
        helper.make_node("Shape", [rows_like], [f"{ROWS}.first"], f"{ROWS}.first", start=0, end=2),
        helper.make_node("Concat", [f"{ROWS}.first", f"{ROWS}.last"], [f"{ROWS}.shape"], f"{ROWS}.shape", axis=0),
    ]


def _add_integers(graph: onnx.GraphProto, name: str, values: list[int]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
