"""Opening bundles: the round trip, and one clear sentence for each way a folder can be wrong."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.text.vocabulary import Vocabulary
from export.bundle import FORMAT_VERSION, BundleCard, BundleError, open_bundle, write_card
from export.external_data import has_external_data

CARD = BundleCard(name="Zoë", channels=8, parity={"logits": 1e-6}, licence="CC0")


def small_graph(tensor=None) -> onnx.ModelProto:
    weight = tensor or numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    return helper.make_model(graph)


def outside(location: str) -> TensorProto:
    tensor = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    return tensor


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "bundle"
    place.mkdir()
    for name in ("features.onnx", "context.onnx"):
        onnx.save(small_graph(), place / name)
    Vocabulary.english().save(place / "vocab.json")
    write_card(place, CARD)
    return place


def change_card(folder, **values):
    card = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(card | values))


def test_round_trip(folder):
    bundle = open_bundle(folder)
    assert bundle.card == CARD
    assert bundle.vocabulary == Vocabulary.english()
    assert bundle.stride_s == 0.02
    assert sorted(item.name for item in folder.iterdir()) == [
        "bundle.json",
        "context.onnx",
        "features.onnx",
        "vocab.json",
    ]


def test_unknown_fields_of_the_same_format_are_ignored(folder):
    change_card(folder, colour="green")
    assert open_bundle(folder).card == CARD


@pytest.mark.parametrize("name", ["bundle.json", "vocab.json", "features.onnx", "context.onnx"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}.*export"):
        open_bundle(folder)


def test_no_folder(tmp_path):
    with pytest.raises(BundleError, match=r"no bundle at .*nowhere.*w2v-export"):
        open_bundle(tmp_path / "nowhere")


def test_a_newer_format_is_refused(folder):
    change_card(folder, format_version=FORMAT_VERSION + 1, mask_prob="another kind")
    with pytest.raises(BundleError, match="update w2v studio"):
        open_bundle(folder)


@pytest.mark.parametrize("version", [0, True, "1", None, 1.0])
def test_no_format_at_all(folder, version):
    change_card(folder, format_version=version)
    with pytest.raises(BundleError, match="format_version"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["bundle.json", "vocab.json"])
@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe{", b"[" * 100_000, b'{"a":' * 50_000, b" " * 5_000_000]
)
def test_broken_json(folder, name, text):
    (folder / name).write_bytes(text)
    with pytest.raises(BundleError, match=rf"{name} cannot be (read|used).*export the bundle again"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("stride_samples", 0),
        ("stride_samples", "320"),
        ("stride_samples", 320.5),
        ("sample_rate", 8000),
        ("codebook_entries", 10**12),
        ("feature_norm", "batch"),
        ("normalize_waveform", 1),
        ("mask_prob", 7.0),
        ("mask_prob", float("nan")),
        ("parity", []),
        ("blank", True),
    ],
)
def test_absurd_values_are_named(folder, field, value):
    change_card(folder, **{field: value})
    with pytest.raises(BundleError, match=rf"bundle\.json cannot be used .*{field}"):
        open_bundle(folder)


@pytest.mark.parametrize("blank", [-1, 32, 10**9])
def test_a_blank_outside_the_vocabulary(folder, blank):
    change_card(folder, blank=blank)
    with pytest.raises(BundleError, match="blank"):
        open_bundle(folder)


@pytest.mark.parametrize("table", [{"<pad>": 0, "A": 2}, {"<pad>": 0, "A": 0}, {"<pad>": "x"}, {"<pad>": None}, {}])
def test_vocabularies_with_gaps(folder, table):
    (folder / "vocab.json").write_text(json.dumps(table))
    with pytest.raises(BundleError, match=r"vocab\.json cannot be used"):
        open_bundle(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        b"\x00" * 64,
        b"\x80" * 64,
        b"\x08\x0a",
    ],
)
def test_a_file_that_is_no_graph(folder, content):
    (folder / "context.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"context\.onnx is not an ONNX graph"):
        open_bundle(folder)


def test_a_torn_graph(folder):
    path = folder / "features.onnx"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BundleError, match=r"features\.onnx is not an ONNX graph"):
        open_bundle(folder)


def test_weights_outside_the_bundle_are_refused(folder):
    onnx.save(small_graph(outside("../../secret.bin")), folder / "context.onnx")
    with pytest.raises(BundleError, match="other files"):
        open_bundle(folder)


def _in_constant(tensor):
    node = helper.make_node("Constant", [], ["w"], value=tensor)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def _in_branch(tensor):
    inner = helper.make_graph([], "inner", [], [], [tensor])
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def _in_function(tensor):
    node = helper.make_node("Constant", [], ["w"], value=tensor)
    function = helper.make_function("own", "F", [], ["w"], [node], [helper.make_opsetid("", 20)])
    return helper.make_model(helper.make_graph([], "g", [], []), functions=[function])


def _in_sparse(tensor):
    proto = helper.make_model(helper.make_graph([], "g", [], []))
    proto.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return proto


@pytest.mark.parametrize("place", [small_graph, _in_constant, _in_branch, _in_function, _in_sparse])
def test_outside_tensors_are_found_anywhere(tmp_path, place):
    path = tmp_path / "graph.onnx"
    path.write_bytes(place(outside("weights.bin")).SerializeToString())
    assert has_external_data(path)
    path.write_bytes(place(numpy_helper.from_array(np.ones(3, np.float32), "w")).SerializeToString())
    assert not has_external_data(path)


def test_opening_needs_no_torch(folder):
    code = (
        "import sys, pathlib; from export.bundle import open_bundle; open_bundle(pathlib.Path(sys.argv[1]));"
        "print([name for name in ('torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
