"""Weights stored in 16 bits: half the file, the arithmetic unchanged.

Each large weight becomes a float16 initializer and a Cast to float32, which ONNX Runtime folds away at load. The model
is rounded first and is then the reference, so storing loses nothing more.
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from export.graph import ExportError

SMALLEST_ELEMENTS = 1000
"""Weights of up to this many elements stay in 32 bits: norms and biases, which cost nothing and matter most."""


def round_weights(model: nn.Module) -> None:
    """Round all large weights to what float16 holds, in place. Raises ExportError for a weight beyond its range."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.numel() <= SMALLEST_ELEMENTS:
                continue
            rounded = weight.half().float()
            if not torch.isfinite(rounded).all():
                raise ExportError(f"{name} has values beyond 65504, which float16 cannot hold: use --weights fp32")
            weight.copy_(rounded)


def store_half(proto: onnx.ModelProto) -> int:
    """Store the large float32 initializers that float16 holds exactly as float16, in place. Returns how many."""
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size <= SMALLEST_ELEMENTS or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], f"cast.{name}", to=onnx.TensorProto.FLOAT))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(casts + nodes)
    return len(casts)
