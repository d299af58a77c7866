"""A bundle of two small graphs written by hand: what the format asks for and nothing else, in a millisecond."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.text.vocabulary import Vocabulary
from export.bundle import BundleCard, write_card

CARD = BundleCard(name="Zoë", channels=8, codebook_entries=20, parity={"logits": 1e-6}, licence="CC0")
TOKENS = len(Vocabulary.english())


def constant(name, values, kind=np.float32):
    return numpy_helper.from_array(np.asarray(values, kind), name)


def _noise(name, *shape):
    return constant(name, np.random.default_rng(len(name)).normal(0, 0.1, shape))


def value(name, kind, *axes):
    return helper.make_tensor_value_info(name, kind, axes)


def model(nodes, inputs, outputs, constants, **more):
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10, **more)


def features_graph():
    node = helper.make_node
    nodes = [
        node("Unsqueeze", ["waveform", "one"], ["row"]),
        node("Conv", ["row", "kernel"], ["rows"], strides=[320], name="convolution"),
        node("Transpose", ["rows"], ["latents"], perm=[0, 2, 1]),
        node("MatMul", ["latents", "codebook"], ["flat"]),
        node("Reshape", ["flat", "groups"], ["scores"]),
        node("Softmax", ["scores"], ["code_probs"], axis=-1),
        node("ArgMax", ["scores"], ["code_ids"], axis=-1, keepdims=0),
    ]
    outputs = [
        value("latents", TensorProto.FLOAT, "batch", "frames", 8),
        value("code_ids", TensorProto.INT64, "batch", "frames", 2),
        value("code_probs", TensorProto.FLOAT, "batch", "frames", 2, 20),
    ]
    integers = [constant("one", [1], np.int64), constant("groups", [0, 0, 2, 20], np.int64)]
    weights = [_noise("kernel", 8, 1, 400), _noise("codebook", 8, 40)]
    return model(nodes, [value("waveform", TensorProto.FLOAT, "batch", "samples")], outputs, [*integers, *weights])


def context_graph(width=8, tokens=TOKENS):
    node = helper.make_node
    nodes = [
        node("Unsqueeze", ["time_mask", "last"], ["mask"]),
        node("Where", ["mask", "nothing", "latents"], ["contexts"]),
        node("MatMul", ["contexts", "head"], ["logits"], name="product"),
    ]
    inputs = [
        value("latents", TensorProto.FLOAT, "batch", "frames", width),
        value("time_mask", TensorProto.BOOL, "batch", "frames"),
        value("frame_lengths", TensorProto.INT64, "batch"),
    ]
    outputs = [
        value("contexts", TensorProto.FLOAT, "batch", "frames", width),
        value("logits", TensorProto.FLOAT, "batch", "frames", tokens),
    ]
    constants = [constant("last", [2], np.int64), constant("nothing", 0), _noise("head", width, tokens)]
    return model(nodes, inputs, outputs, constants)


def write_bundle(place, features=None, context=None):
    place.mkdir(exist_ok=True)
    (place / "features.onnx").write_bytes((features or features_graph()).SerializeToString())
    (place / "context.onnx").write_bytes((context or context_graph()).SerializeToString())
    Vocabulary.english().save(place / "vocab.json")
    write_card(place, CARD)
    return place


def with_nodes(graph, nodes, constants=()):
    """`graph` with `nodes` in front, of which `extra` is added to all logits."""
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    kept = list(changed.graph.node)
    kept[-1].output[0] = "plain_logits"
    del changed.graph.node[:]
    changed.graph.node.extend([*nodes, *kept, helper.make_node("Add", ["plain_logits", "extra"], ["logits"])])
    changed.graph.initializer.extend(constants)
    return changed
