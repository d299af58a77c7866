"""Graphs that no exporter writes: each is refused with its reason before ONNX Runtime sees it."""

import re
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.bundle import BundleError, open_bundle
from export.graph_check import check_graph
from tests.export.plain_graphs import constant, context_graph, features_graph, model, value, with_nodes, write_bundle

REPOSITORY = Path(__file__).resolve().parents[2]
NODE = helper.make_node
FLOAT = TensorProto.FLOAT


def refusal(tmp_path, proto):
    path = tmp_path / "graph.onnx"
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    with pytest.raises(ValueError, match=r".") as caught:
        check_graph(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def with_tensor(**fields):
    """A graph with a tensor "w" of the given fields."""
    proto = context_graph()
    tensor = proto.graph.initializer.add(name="w")
    for name, given in fields.items():
        if isinstance(given, list):
            getattr(tensor, name).extend(given)
        else:
            setattr(tensor, name, given)
    return proto


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"data_type": 1, "dims": [4, 4], "raw_data": b"\0" * 60}, r"shape \[4, 4\] needs 64 bytes and has 60"),
        ({"data_type": 1, "dims": [4, 4], "raw_data": b"\0" * 68}, "needs 64 bytes and has 68"),
        ({"data_type": 1, "dims": [4]}, "needs 4 numbers and has 0"),
        ({"data_type": 1, "dims": [4], "float_data": [1.0] * 3}, "needs 4 numbers and has 3"),
        ({"data_type": 7, "dims": [4], "int64_data": [1] * 5}, "needs 4 numbers and has 5"),
        ({"data_type": 11, "dims": [2], "double_data": [1.0]}, "needs 2 numbers and has 1"),
        ({"data_type": 1, "dims": [-1, 4], "raw_data": b"\0" * 16}, r"impossible shape \[-1, 4\]"),
        ({"data_type": 1, "dims": [-2, -2], "raw_data": b"\0" * 16}, "impossible shape"),
        ({"data_type": 1, "dims": [10**12], "raw_data": b"\0" * 16}, "impossible shape"),
        ({"data_type": 1, "dims": [2**32, 2**32], "raw_data": b""}, "impossible shape"),
        ({"data_type": 1, "dims": [2**31, 2**31, 4], "raw_data": b""}, "impossible shape"),
        ({"data_type": 1, "dims": [0, 2**63 - 1], "raw_data": b""}, "impossible shape"),
        ({"data_type": 1, "dims": [1] * 9, "raw_data": b"\0" * 4}, "impossible shape"),
        ({"data_type": 1, "dims": [1], "raw_data": b"\0" * 4, "float_data": [1.0]}, "in several ways"),
        ({"data_type": 1, "dims": [1], "int64_data": [1]}, "in several ways"),
        ({"data_type": 8, "dims": [1], "string_data": [b"text"]}, "texts"),
        ({"data_type": 15, "dims": [1], "raw_data": b"\0" * 16}, "of the kind 15"),
        ({"data_type": 0, "dims": [1]}, "of the kind 0"),
    ],
)
def test_tensors_that_lie(tmp_path, fields, told):
    found = refusal(tmp_path, with_tensor(**fields))
    assert onnx.load_from_string((tmp_path / "graph.onnx").read_bytes())  # sound as a file
    assert re.search(told, found), found
    assert "'w'" in found or "texts" in told


@pytest.mark.parametrize(
    "fields",
    [
        {"data_type": 1, "dims": [], "raw_data": b"\0" * 4},
        {"data_type": 1, "dims": [3], "float_data": [1.0] * 3},
        {"data_type": 10, "dims": [3], "int32_data": [1, 2, 3]},
        {"data_type": 7, "dims": [3], "int64_data": [-1, 2**62, 0]},
        {"data_type": 1, "dims": [0, 5]},
        {"data_type": 9, "dims": [2], "raw_data": b"\0\1"},
    ],
)
def test_tensors_as_others_write_them(tmp_path, fields):
    path = tmp_path / "graph.onnx"
    path.write_bytes(with_tensor(**fields).SerializeToString())
    assert list(check_graph(path).outputs) == ["contexts", "logits"]


def test_dimensions_one_by_one(tmp_path):
    """The same in the other spelling that the format allows: each number a field, instead of all in one."""
    tensor = bytes([0x08, 2, 0x08, 3, 0x10, 1, 0x42, 1, ord("w"), 0x4A, 24]) + b"\0" * 24
    graph = bytes([0x2A, len(tensor)]) + tensor
    whole = bytes([0x3A, len(graph)]) + graph
    assert list(onnx.load_from_string(whole).graph.initializer[0].dims) == [2, 3]
    path = tmp_path / "graph.onnx"
    path.write_bytes(whole)
    check_graph(path)
    assert "needs 32 bytes and has 24" in refusal(tmp_path, whole.replace(bytes([0x08, 3]), bytes([0x08, 4])))


def outside():
    tensor = constant("w", np.ones((4, 4)))
    onnx.external_data_helper.set_external_data(tensor, "../../secret.bin")
    tensor.ClearField("raw_data")
    return tensor


def _constant(proto):
    proto.graph.node.insert(0, NODE("Constant", [], ["w"], value=outside()))


def _in_branch(proto):
    inner = helper.make_graph([], "inner", [], [], [outside()])
    proto.graph.node.insert(0, NODE("Identity", ["latents"], ["w"], then_branch=inner))


def _in_list(proto):
    attribute = helper.make_attribute("tensors", [outside()])
    proto.graph.node[0].attribute.append(attribute)


def _in_function(proto):
    node = NODE("Constant", [], ["w"], value=outside())
    proto.functions.append(helper.make_function("own", "F", [], ["w"], [node], [helper.make_opsetid("", 20)]))


def _in_sparse(proto):
    proto.graph.sparse_initializer.add().values.CopyFrom(outside())


def _in_training(proto):
    proto.training_info.add().algorithm.initializer.append(outside())


def _plain(proto):
    proto.graph.initializer.append(outside())


def _location_only(proto):
    proto.graph.initializer[0].data_location = 1


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (_plain, "tensor 'w' takes its weights from other files"),
        (_location_only, "tensor 'last' takes its weights from other files"),
        (_constant, "tensor 'w' takes its weights from other files"),
        (_in_branch, "holds a graph of its own"),
        (_in_list, "lists of tensors"),
        (_in_function, "functions"),
        (_in_sparse, "sparse tensor"),
        (_in_training, "training"),
    ],
)
def test_outside_tensors_are_found_anywhere(tmp_path, place, told):
    proto = context_graph()
    place(proto)
    assert told in refusal(tmp_path, proto)
    with pytest.raises(BundleError, match=r"context\.onnx is not an ONNX graph that can be used"):
        open_bundle(write_bundle(tmp_path / "bundle", context=proto))


def _loop():
    body = model([], [], [], []).graph
    return NODE("Loop", ["count", ""], ["extra"], body=body)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (_loop(), "is 'Loop', which no speech model of a bundle uses"),
        (NODE("Scan", ["latents"], ["extra"], body=model([], [], [], []).graph, num_scan_inputs=1), "is 'Scan'"),
        (NODE("If", ["latents"], ["extra"], then_branch=model([], [], [], []).graph), "is 'If'"),
        (NODE("Tile", ["latents", "last"], ["extra"]), "is 'Tile'"),
        (NODE("Steal", ["latents"], ["extra"], domain="evil.example"), "'Steal' of 'evil.example'"),
        (NODE("BiasGelu", ["latents"], ["extra"], domain="com.microsoft"), "'com.microsoft', which is not standard"),
        (NODE("ATen", ["latents"], ["extra"], domain="org.pytorch.aten"), "not standard ONNX"),
        (NODE("Neg", ["later"], ["extra"], name="early"), "operation 'early' takes 'later', which nothing before"),
        (NODE("x" * 10_000, ["latents"], ["extra"]), "xxx..."),
    ],
)
def test_operators_that_no_export_writes(tmp_path, node, told):
    assert told in refusal(tmp_path, with_nodes(context_graph(), [node], [constant("count", 10**9, np.int64)]))


def test_names_are_text(tmp_path):
    """ONNX Runtime's errors name operations; its Python binding cannot decode what is not UTF-8."""
    content = context_graph().SerializeToString().replace(b"product", b"pro\xff\xfect")
    assert refusal(tmp_path, content) == "it holds a name that is not UTF-8"


def test_values_that_are_no_tensors(tmp_path):
    proto = context_graph()
    proto.graph.value_info.append(helper.make_tensor_sequence_value_info("list", FLOAT, None))
    assert "lists, maps" in refusal(tmp_path, proto)
    proto = context_graph()
    proto.graph.value_info.append(value("big", FLOAT, 10**12))
    assert "'big' has an axis of 1000000000000 elements" in refusal(tmp_path, proto)


def test_two_graphs_in_one_file(tmp_path):
    """Readers of the format would merge them, each in its own way."""
    content = context_graph().SerializeToString()
    assert refusal(tmp_path, content * 2) == "it holds several graphs"


def test_constants_that_grow_at_loading(tmp_path):
    """Each may give 128 MB before anything runs; a hundred of them are refused."""
    shape = constant("shape", [10**4, 10**3], np.int64)
    nodes = [NODE("ConstantOfShape", ["shape"], [f"big{place}"]) for place in range(100)]
    nodes.append(NODE("ReduceMax", ["big0"], ["extra"], keepdims=0))
    assert "makes constants of more than 1." in refusal(tmp_path, with_nodes(context_graph(), nodes, [shape]))
    nodes = [NODE("Cast", ["row"], [f"row{place}"], to=TensorProto.DOUBLE) for place in range(2000)]
    nodes.append(NODE("ReduceMax", ["row0"], ["extra"], keepdims=0))
    row = constant("row", np.zeros(100_000))
    assert "makes constants" in refusal(tmp_path, with_nodes(context_graph(), nodes, [row]))
    doubling = [NODE("Concat", [f"row{place}"] * 8, [f"row{place + 1}"], axis=0) for place in range(12)]
    nodes = [NODE("Identity", ["row"], ["row0"]), *doubling, NODE("ReduceMax", ["row12"], ["extra"], keepdims=0)]
    assert "makes constants" in refusal(tmp_path, with_nodes(context_graph(), nodes, [row]))


LENGTHS, LATENTS = "frame_lengths", "latents"
WHOLE_DIVISIONS = {
    "by a constant -1": [NODE("Div", [LENGTHS, "minus_one"], ["extra"])],
    "by a constant that holds one": [NODE("Div", [LENGTHS, "mixed"], ["extra"])],
    "by what is computed": [NODE("Neg", ["one"], ["less"]), NODE("Div", [LENGTHS, "less"], ["extra"])],
    "by an input": [NODE("Div", ["one", LENGTHS], ["extra"])],
    "by what a cast wraps": [NODE("Cast", ["large"], ["less"], to=6), NODE("Div", ["least", "less"], ["extra"])],
    "of a cast": [NODE("Cast", [LATENTS], ["whole"], to=7), NODE("Div", ["whole", "minus_one"], ["extra"])],
    "of a shape": [NODE("Shape", [LATENTS], ["whole"]), NODE("Div", ["whole", "minus_one"], ["extra"])],
    "of a product": [NODE("Mul", [LENGTHS, "one"], ["whole"]), NODE("Div", ["whole", "minus_one"], ["extra"])],
    "of an attribute": [
        NODE("Constant", [], ["whole"], value_ints=[-(2**63)]),
        NODE("Div", ["whole", "minus_one"], ["extra"]),
    ],
    "by an attribute": [NODE("Constant", [], ["less"], value_int=-1), NODE("Div", [LENGTHS, "less"], ["extra"])],
    "by a filled tensor": [
        NODE("ConstantOfShape", ["one"], ["less"], value=helper.make_tensor("filling", 7, [1], [-1])),
        NODE("Div", [LENGTHS, "less"], ["extra"]),
    ],
    "of what was chosen": [
        NODE("Equal", ["one", "one"], ["is_so"]),
        NODE("Where", ["is_so", LENGTHS, "one"], ["whole"]),
        NODE("Div", ["whole", "minus_one"], ["extra"]),
    ],
}
WHOLE_CONSTANTS = [
    constant("one", [1], np.int64),
    constant("stride", [320], np.int64),
    constant("minus_one", [-1], np.int64),
    constant("mixed", [[320, -1]], np.int64),
    constant("large", [2**32 - 1], np.int64),
    constant("least", [-(2**31)], np.int32),
    constant("half", [0.5]),
]


@pytest.mark.parametrize("nodes", WHOLE_DIVISIONS.values(), ids=WHOLE_DIVISIONS)
def test_divisions_that_end_the_program(tmp_path, nodes):
    """The least number by -1: on x86 the processor stops ONNX Runtime 1.31 by SIGFPE, which nothing can catch."""
    proto = with_nodes(context_graph(), nodes, WHOLE_CONSTANTS)
    assert "divides whole numbers by something that is no constant of 1 or more" in refusal(tmp_path, proto)


@pytest.mark.parametrize(
    "nodes",
    [
        [NODE("Div", [LENGTHS, "stride"], ["extra"])],
        [NODE("Unsqueeze", ["stride", "one"], ["flat"]), NODE("Div", [LENGTHS, "flat"], ["extra"])],
        [NODE("Constant", [], ["two"], value_int=2), NODE("Div", [LENGTHS, "two"], ["extra"])],
        [NODE("Div", [LATENTS, "half"], ["extra"])],
        [NODE("Cast", [LENGTHS], ["real"], to=1), NODE("Div", ["real", "half"], ["extra"])],
        [NODE("ReduceSum", [LATENTS, "one"], ["sum"]), NODE("Div", [LATENTS, "sum"], ["extra"])],
    ],
)
def test_divisions_that_models_have(tmp_path, nodes):
    path = tmp_path / "graph.onnx"
    onnx.save(with_nodes(context_graph(), nodes, WHOLE_CONSTANTS), path)
    check_graph(path)


def test_files_that_would_take_minutes(tmp_path):
    began = time.perf_counter()
    assert "parts" in refusal(tmp_path, b"\x08\x01" * 2_000_000)
    packed = with_tensor(data_type=7, dims=[300_000], int64_data=[1] * 300_000)
    assert "should be raw data" in refusal(tmp_path, packed)
    many = context_graph()
    many.graph.node.extend([many.graph.node[0]] * 20_000)
    assert "20003 operations" in refusal(tmp_path, many)
    padded = features_graph()
    padded.graph.node[1].attribute.append(helper.make_attribute("pads", [0, 10**7]))
    assert "'convolution' is a convolution with [10000000]" in refusal(tmp_path, padded)
    assert time.perf_counter() - began < 60  # half an hour without the limits


def test_torn_at_any_place(tmp_path):
    """Every prefix is refused, or is a whole file itself: what follows the graph are notes."""
    place = write_bundle(tmp_path / "bundle")
    for name, proto in (("features.onnx", features_graph()), ("context.onnx", context_graph())):
        content = proto.SerializeToString()
        for length in (
            *range(0, 400, 7),
            *range(400, len(content) - 400, 397),
            *range(len(content) - 400, len(content), 3),
        ):
            (place / name).write_bytes(content[:length])
            refused = ""
            try:
                open_bundle(place)
            except BundleError as error:
                refused = str(error)
            assert name in refused or onnx.load_from_string(content[:length]).graph == proto.graph
        (place / name).write_bytes(content)


def test_the_shipped_model_is_let_in():
    for name in ("features.onnx", "context.onnx"):
        form = check_graph(REPOSITORY / "resources" / "models" / "tiny-en" / name)
        assert form.inputs
        assert form.outputs


def test_weights_are_skipped_over(tmp_path):
    """A gigabyte of weights, which are a hole in the file: reading them would take as long as a gigabyte does."""
    proto = context_graph()
    marker = b"\xabmarker\xab"
    proto.graph.initializer.append(helper.make_tensor("big", FLOAT, [2], marker, raw=True))
    content = proto.graph.SerializeToString()
    size = 1 << 30
    before, after = content.split(marker)

    def varint(number):
        return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])

    # The tensor's own length and its one dimension change with the data's.
    old = proto.graph.initializer[-1]
    resized = TensorProto(name="big", data_type=FLOAT, dims=[size // 4]).SerializeToString()
    head = resized + b"\x4a" + varint(size)
    start = before.rindex(b"\x2a" + varint(old.ByteSize()))
    before = before[:start] + b"\x2a" + varint(len(head) + size) + head
    path = tmp_path / "graph.onnx"
    with path.open("wb") as file:
        file.write(b"\x3a" + varint(len(before) + size + len(after)) + before)
        file.seek(size, 1)
        file.write(after)
    began = time.perf_counter()
    assert list(check_graph(path).outputs) == ["contexts", "logits"]
    assert time.perf_counter() - began < 1
