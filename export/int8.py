"""Weights of the Transformer in 8 bits, activations quantised as they come: fast on CPUs with int8 products.

Only products with weights change. The projection of the latents and the head stay in 32 bits, as their errors reach the
text most directly, and convolutions stay so too: 8 bits hold too little of a waveform's range, and they run slower.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from export.graph import ExportError

INTEGER_PRODUCTS = ("MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat")
"""Operations of which a graph must have one, or it would be computed in 32 bits after all."""


def quantize(context: onnx.ModelProto) -> onnx.ModelProto:
    """A context graph with int8 weights for each output channel. Raises ExportError where no product became integer."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    products = [node for node in context.graph.node if node.op_type == "Gemm"]
    if not products:
        raise ExportError("the context graph has no product with a weight and a bias: it cannot be stored as int8")
    kept = [f"{node.name}_MatMul" for node in (products[0], products[-1])]  # the name that the quantizer gives
    with tempfile.TemporaryDirectory(prefix="w2v-int8-") as folder:
        path = Path(folder) / "context.onnx"
        quantize_dynamic(
            context,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
        )
        found = onnx.load(path)
    if not any(node.op_type in INTEGER_PRODUCTS for node in found.graph.node):
        raise ExportError(
            "the quantised graph has no integer product: check onnxruntime against this project's version"
        )
    return found
