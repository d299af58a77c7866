"""The rewritings of a graph, run by ONNX Runtime before and after."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.row_products import keep_sums_apart, use_row_products

RNG = np.random.default_rng(0)


def weight(name, *shape):
    return numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)


def network(bias_first=False, second_use=False):
    """norm(x + (gelu(x W1 + b1) W2 + b2)), and x W3 without a bias."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["p1"], "p1"),
        helper.make_node("Add", ["b1", "p1"] if bias_first else ["p1", "b1"], ["s1"], "s1"),
        helper.make_node("Gelu", ["s1"], ["g"], "g"),
        helper.make_node("MatMul", ["g", "w2"], ["p2"], "p2"),
        helper.make_node("Add", ["p2", "b2"], ["s2"], "s2"),
        helper.make_node("Add", ["x", "s2"], ["r"], "r"),
        helper.make_node("LayerNormalization", ["r", "gain", "b2"], ["y"], "n"),
        helper.make_node("MatMul", ["p2" if second_use else "x", "w3"], ["z"], "p3"),
    ]
    weights = [weight("w1", 8, 12), weight("b1", 12), weight("w2", 12, 8), weight("b2", 8), weight("gain", 8)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "frames", 8])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "frames", 8]) for name in "yz"]
    graph = helper.make_graph(nodes, "g", [x], outputs, [*weights, weight("w3", 8, 8)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(proto, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y", "z"], {"x": x})


@pytest.mark.parametrize(("changes", "products"), [({}, 2), ({"bias_first": True}, 2), ({"second_use": True}, 1)])
@pytest.mark.parametrize("shape", [(1, 1, 8), (3, 7, 8)])
def test_results_stay(changes, products, shape):
    proto = network(**changes)
    x = RNG.normal(size=shape).astype(np.float32)
    before = run(proto, x)
    assert use_row_products(proto, "x") == products
    assert keep_sums_apart(proto) == 1
    onnx.checker.check_model(proto, full_check=True)
    operations = [node.op_type for node in proto.graph.node]
    assert operations.count("Gemm") == products
    assert operations.count("Sum") == 1
    for found, expected in zip(run(proto, x), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_graph_without_products_stays_as_it_is():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    proto = helper.make_model(helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", [x], [y]))
    before = proto.SerializeToString()
    assert use_row_products(proto, "x") == keep_sums_apart(proto) == 0
    assert proto.SerializeToString() == before
