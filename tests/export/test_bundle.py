"""Opening bundles: the round trip, and one clear sentence for each way a folder can be wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest

from engine.text.vocabulary import Vocabulary
from export.bundle import FORMAT_VERSION, BundleError, open_bundle
from tests.export.plain_graphs import CARD, context_graph, features_graph, write_bundle


@pytest.fixture
def folder(tmp_path):
    return write_bundle(tmp_path / "bundle")


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
        ("phones", "AH"),
        ("phones", ["AH", "AH"]),
        ("phones", ["AH", 7]),
        ("phones", ["AH", " "]),
        ("phones", [str(number) for number in range(5000)]),
    ],
)
def test_absurd_values_are_named(folder, field, value):
    change_card(folder, **{field: value})
    with pytest.raises(BundleError, match=rf"bundle\.json cannot be used .*{field}"):
        open_bundle(folder)


def test_phones_stand_behind_the_letters(folder):
    change_card(folder, phones=["AH", "T"])
    with pytest.raises(BundleError, match=r"32 values a frame for 35 tokens"):
        open_bundle(folder)
    (folder / "context.onnx").write_bytes(context_graph(tokens=35).SerializeToString())
    bundle = open_bundle(folder)
    assert bundle.phones.tokens == ("<pad>", "AH", "T")
    assert bundle.tokens == 35
    logits = np.arange(70, dtype=np.float32).reshape(2, 35)
    assert bundle.letters(logits).tolist() == logits[:, :32].tolist()


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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda graph: graph.input[0], r"no input 'latents', only 'input_values'"),
        (lambda graph: graph.output[1], r"no output 'logits', only 'contexts', 'input_values'"),
    ],
)
def test_other_names(folder, change, told):
    proto = context_graph()
    change(proto.graph).name = "input_values"
    (folder / "context.onnx").write_bytes(proto.SerializeToString())
    # A graph whose operations take what it does not have is refused as such, before anybody looks for names.
    with pytest.raises(BundleError, match=rf"context\.onnx .*({told}|which nothing before it gives)"):
        open_bundle(folder)


def _set_axis(place, axis, size):
    def change(features, context):
        values = {value.name: value for proto in (features, context) for value in proto.graph.output}
        values |= {f"{value.name}.in": value for proto in (features, context) for value in proto.graph.input}
        values[place].type.tensor_type.shape.dim[axis].dim_value = size

    return change


def _drop_axis(features, context):
    del features.graph.output[0].type.tensor_type.shape.dim[2]


def _other_kind(features, context):
    context.graph.input[1].type.tensor_type.elem_type = 7


def _no_axes(features, context):
    context.graph.output[0].type.tensor_type.ClearField("shape")


def _further_input(features, context):
    context.graph.input.append(context.graph.input[0])
    context.graph.input[-1].name = "password"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_set_axis("latents", 2, 512), r"features\.onnx .*'latents' has 512 elements .* say 8"),
        (_set_axis("latents.in", 2, 512), r"context\.onnx .*'latents' has 512 elements .* say 8"),
        (_set_axis("code_probs", 3, 320), r"'code_probs' has 320 elements"),
        (_set_axis("logits", 2, 33), r"gives 33 values a frame for 32 tokens: the vocabulary belongs to another"),
        (_set_axis("waveform.in", 1, 16000), r"'waveform' takes 16000 samples and no other"),
        (_set_axis("latents.in", 0, 4), r"'latents' takes 4 batch and no other"),
        (_drop_axis, r"'latents' has 2 axes, not 3"),
        (_other_kind, r"'time_mask' holds numbers of the kind 7, not bool"),
        (_no_axes, r"'contexts' does not say its axes"),
        (_further_input, r"wants an input 'password'"),
    ],
)
def test_graphs_that_the_card_does_not_fit(folder, change, told):
    features, context = features_graph(), context_graph()
    change(features, context)
    write_bundle(folder, features, context)
    with pytest.raises(BundleError, match=rf"{told}.*export the bundle again"):
        open_bundle(folder)


def test_one_row_at_a_time_is_enough(folder):
    features = features_graph()
    features.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    write_bundle(folder, features)
    assert open_bundle(folder).card == CARD


def test_opening_needs_no_torch(folder):
    code = (
        "import sys, pathlib; from export.bundle import open_bundle; open_bundle(pathlib.Path(sys.argv[1]));"
        "print([name for name in ('torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
