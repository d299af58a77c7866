"""Both graphs of a bundle as one with transformers' names, for programs that know transformers' exports.

model.onnx   input_values (batch, sequence_length) f32 [, attention_mask (batch, sequence_length) i64]
             -> logits (batch, frames, tokens) f32

`attention_mask` is there for layer-norm models, as transformers has it, and optional: left out, all samples count. It
is an initializer that may be overridden, so that programs which feed `input_values` alone work too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.graph import LARGEST_BYTES, ExportError

INPUT, MASK, OUTPUT = "input_values", "attention_mask", "logits"


def compose(
    features: onnx.ModelProto, context: onnx.ModelProto, *, stride: int, receptive_field: int, masked: bool
) -> onnx.ModelProto:
    """One graph of the two. `masked` gives it an `attention_mask`. Raises ExportError where it passes 2 GB."""
    first, second = _prefixed(features, "features"), _prefixed(context, "context")
    joined = _renamed(first, {"features.waveform": INPUT, "features.latents": "latents"})
    following = _renamed(second, {"context.latents": "latents", "context.logits": OUTPUT})
    between, constants = _between(masked, stride, receptive_field)
    nodes = [*joined.graph.node, *between, *following.graph.node]
    nodes = _needed(nodes, OUTPUT)
    used = {name for node in nodes for name in node.input}
    initializers = [
        tensor
        for tensor in (*joined.graph.initializer, *following.graph.initializer, *constants)
        if tensor.name in used
    ]
    logits = next(value for value in following.graph.output if value.name == OUTPUT)
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", "sequence_length"])]
    if masked:
        inputs.append(helper.make_tensor_value_info(MASK, TensorProto.INT64, ["mask_batch", "mask_length"]))
    graph = helper.make_graph(nodes, "wav2vec2_ctc", inputs, [logits], initializers)
    model = helper.make_model(graph, opset_imports=features.opset_import, ir_version=features.ir_version)
    if model.ByteSize() > LARGEST_BYTES:
        raise ExportError(f"a graph of {model.ByteSize() / 1e9:.1f} GB does not fit in one ONNX file (2 GB)")
    return model


def _between(masked: bool, stride: int, receptive_field: int) -> tuple[list[NodeProto], list[TensorProto]]:
    """From the waveform's shape, or its mask, to valid frames; and a time mask that hides nothing."""
    constants = {"zero_axis": [1], "one": [1], "stride": [stride], "field": [receptive_field]}
    nodes = [
        helper.make_node("Shape", ["latents"], ["rows_and_frames"], start=0, end=2),
        helper.make_node(
            "ConstantOfShape",
            ["rows_and_frames"],
            ["context.time_mask"],
            value=helper.make_tensor("nothing", TensorProto.BOOL, [1], [False]),
        ),
    ]
    if masked:
        nodes += [
            helper.make_node("Shape", [INPUT], ["rows_and_samples"]),
            helper.make_node("Expand", [MASK, "rows_and_samples"], ["whole_mask"]),
            helper.make_node("ReduceSum", ["whole_mask", "zero_axis"], ["samples"], keepdims=0),
            helper.make_node("Sub", ["samples", "field"], ["beyond_first"]),
            helper.make_node("Div", ["beyond_first", "stride"], ["steps"]),
            helper.make_node("Add", ["steps", "one"], ["context.frame_lengths"]),
        ]
    else:
        nodes += [
            helper.make_node("Shape", ["latents"], ["rows"], start=0, end=1),
            helper.make_node("Shape", ["latents"], ["frames"], start=1, end=2),
            helper.make_node("Expand", ["frames", "rows"], ["context.frame_lengths"]),
        ]
    tensors = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()]
    if masked:
        tensors.append(numpy_helper.from_array(np.ones((1, 1), np.int64), MASK))
    return nodes, tensors


def _needed(nodes: list[NodeProto], output: str) -> list[NodeProto]:
    """Those that `output` depends on, in the same order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _prefixed(proto: onnx.ModelProto, prefix: str) -> onnx.ModelProto:
    names = {name for node in proto.graph.node for name in (*node.input, *node.output) if name}
    names.update(item.name for item in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer))
    copied = _renamed(proto, {name: f"{prefix}.{name}" for name in names})
    for node in copied.graph.node:
        node.name = f"{prefix}.{node.name}"
    return copied


def _renamed(proto: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    """A copy with other names for its tensors."""
    copied = onnx.ModelProto()
    copied.CopyFrom(proto)
    for node in copied.graph.node:
        _replace(node.input, names)
        _replace(node.output, names)
    items: Iterable[onnx.ValueInfoProto | TensorProto] = (
        *copied.graph.input,
        *copied.graph.output,
        *copied.graph.initializer,
    )
    for item in items:
        item.name = names.get(item.name, item.name)
    return copied


def _replace(fields: list[str], names: dict[str, str]) -> None:
    for place, name in enumerate(fields):
        fields[place] = names.get(name, name)
