"""Bundles that are damaged or meant to do harm: loading and running them gives one sentence, or works."""

import random
import shutil
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.bundle import BundleError, open_bundle
from tests.export.plain_graphs import constant, context_graph, features_graph, with_nodes, write_bundle
from w2v_studio.recognition import memory_limit, sessions
from w2v_studio.recognition.sessions import Recognizer

NODE = helper.make_node


def recognizer_of(tmp_path, features=None, context=None):
    return Recognizer(open_bundle(write_bundle(tmp_path / "bundle", features, context)), "cpu", threads=1)


def test_the_plain_graphs_work(tmp_path):
    recognizer = recognizer_of(tmp_path)
    recognizer.warm_up()
    features = recognizer.features(np.ones(720, np.float32))
    assert features.code_ids.shape == (2, 2)
    assert recognizer.context(features.latents).logits.shape == (2, 32)


def _expand(size):
    return [NODE("ReduceMax", ["latents"], ["peak"], keepdims=0), NODE("Expand", ["peak", "size"], ["big"])], size


def _constant(size):
    return [NODE("ConstantOfShape", ["size"], ["big"])], size


def _pad(size):
    lengthened = NODE("Pad", ["latents", "size"], ["big"])
    return [lengthened], [0, 0, 0, 0, 0, int(np.prod(size)) // 100]


def _outer(size):
    tall = NODE("Reshape", ["latents", "size"], ["column"])
    rows = [NODE("Concat", ["column"] * 4000, ["long"], axis=0), NODE("Transpose", ["long"], ["wide"], perm=[1, 0])]
    return [tall, *rows, NODE("MatMul", ["long", "wide"], ["big"])], [-1, 1]


@pytest.mark.parametrize("size", [[10**6, 10**6], [10**7, 10**4], [2**31, 2**31]], ids=["4 TB", "400 GB", "16 EB"])
@pytest.mark.parametrize("make", [_expand, _constant, _pad, _outer])
def test_sizes_computed_inside_a_graph(tmp_path, make, size):
    nodes, values = make(size)
    nodes.append(NODE("ReduceMax", ["big"], ["extra"], keepdims=0))
    graph = with_nodes(context_graph(), nodes, [constant("size", values, np.int64)])
    began = time.perf_counter()
    with pytest.raises(BundleError, match=r"context\.onnx cannot be (run|loaded) .*remove the bundle") as caught:
        recognizer_of(tmp_path, context=graph).warm_up()
    assert "\n" not in str(caught.value)
    if size[0] == 10**7:
        assert "more than the" in str(caught.value)
        assert "GB of memory that a model may take here" in str(caught.value)
    assert time.perf_counter() - began < 60


def test_the_limit_counts_all_results_together_and_ends_with_the_run(tmp_path):
    """Many results that would fit one by one; afterwards there is as much memory as before. In a process of its own,
    whose limit is 200 MB."""
    nodes = [NODE("ReduceMax", ["latents"], ["peak"], keepdims=0)]
    nodes += [NODE("Expand", ["peak", f"size{place}"], [f"big{place}"]) for place in range(12)]
    nodes.append(NODE("Concat", [f"big{place}" for place in range(12)], ["all"], axis=0))
    nodes.append(NODE("ReduceMax", ["all"], ["extra"], keepdims=0))
    sizes = [constant(f"size{place}", [6_000_000 + place], np.int64) for place in range(12)]
    graph = with_nodes(context_graph(), nodes, sizes)
    write_bundle(tmp_path / "greedy", context=graph)
    write_bundle(tmp_path / "plain")
    code = (
        "import sys, resource\n"
        "from pathlib import Path\n"
        "from export.bundle import BundleError, open_bundle\n"
        "from w2v_studio.recognition import memory_limit, sessions\n"
        "memory_limit.LEAST_BYTES, memory_limit.SHARE = 200_000_000, 0.0\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "def load(name): return sessions.Recognizer(open_bundle(Path(sys.argv[1], name)), 'cpu', 1)\n"
        "load('plain').warm_up()\n"
        "before = peak()\n"
        "greedy = load('greedy')\n"
        "for _ in range(3):\n"
        "    try: greedy.warm_up()\n"
        "    except BundleError as error: print(error)\n"
        "load('plain').warm_up()\n"
        "print((peak() - before) // 1000)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    *told, grown = run.stdout.splitlines()
    assert len(told) == 3, run.stderr
    assert all("more than the 0.2 GB" in line for line in told)
    assert int(grown) < 250


def test_the_limit_is_a_part_of_this_machines_memory():
    assert 1 << 29 < memory_limit.machine_memory() < 1 << 50
    assert memory_limit.memory_limit() >= memory_limit.LEAST_BYTES
    assert memory_limit.memory_limit() <= max(memory_limit.LEAST_BYTES, memory_limit.machine_memory() * 0.8)


def test_a_graph_that_never_ends(tmp_path, monkeypatch):
    """No loop is let in, but many products of large matrices take as long."""
    monkeypatch.setattr(sessions, "WARM_UP_LIMIT_S", 0.1)
    nodes = [NODE("Reshape", ["latents", "column"], ["tall"]), NODE("Reshape", ["latents", "line"], ["wide"])]
    nodes.append(NODE("MatMul", ["tall", "wide"], ["square0"]))
    nodes += [NODE("MatMul", [f"square{place}", f"square{place}"], [f"square{place + 1}"]) for place in range(2000)]
    nodes.append(NODE("ReduceMax", ["square2000"], ["extra"], keepdims=0))
    shapes = [constant("column", [-1, 1], np.int64), constant("line", [1, -1], np.int64)]
    recognizer = recognizer_of(tmp_path, context=with_nodes(context_graph(), nodes, shapes))
    with pytest.raises(BundleError, match=r"two seconds of sound take it more than 0 s.*remove the bundle"):
        recognizer.warm_up()


def _wrong_width(proto):
    proto.graph.initializer[2].CopyFrom(constant("head", np.ones((7, 32))))


def _wrong_tokens(proto):
    proto.graph.output[1].type.tensor_type.shape.dim[2].Clear()
    proto.graph.initializer[2].CopyFrom(constant("head", np.ones((8, 31))))


def _wrong_rank(proto):
    proto.graph.node.append(NODE("ReduceMax", ["product", "last"], ["logits"], keepdims=0))
    proto.graph.node[-2].output[0] = "product"


def _wrong_kind(proto):
    proto.graph.node[2].input[0] = "time_mask"


def _fewer_frames(proto):
    constants = [constant(name, [number], np.int64) for name, number in (("from", 1), ("to", 10**6), ("axis", 1))]
    proto.graph.initializer.extend(constants)
    proto.graph.node[-1].output[0] = "all"
    proto.graph.node.append(NODE("Slice", ["all", "from", "to", "axis"], ["logits"]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_wrong_width, "cannot be (loaded|run)"),
        (_wrong_tokens, r"gives logits of shape \(1, 100, 31\) instead of \(1, 100, 32\)"),
        (_wrong_rank, "cannot be loaded|gives logits of shape"),
        (_wrong_kind, "cannot be loaded"),
        (_fewer_frames, r"gives logits of shape \(1, 99, 32\)"),
    ],
)
def test_graphs_that_give_something_else(tmp_path, change, told):
    context = context_graph()
    change(context)
    with pytest.raises(BundleError, match=rf"context\.onnx .*({told}).*export 'Zoë' again, or remove the bundle"):
        recognizer_of(tmp_path, context=context).warm_up()


def test_features_of_other_frames(tmp_path):
    features = features_graph()
    features.graph.node[1].attribute[0].ints[:] = [330]
    recognizer = recognizer_of(tmp_path, features)
    with pytest.raises(BundleError, match=r"features\.onnx gives latents of shape .* instead of \(1, 49, 8\)"):
        recognizer.features(np.zeros(16000, np.float32))


def test_the_runtime_prints_nothing(tmp_path, capfd):
    context = context_graph()
    context.graph.node[-1].op_type = "Conv"
    with pytest.raises(BundleError):
        recognizer_of(tmp_path, context=context)
    assert capfd.readouterr() == ("", "")


FLIPS = """
import random, sys
from pathlib import Path
import numpy as np
from export.bundle import BundleError, open_bundle
from w2v_studio.recognition.sessions import Recognizer

folder, name, first, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
content = (folder / name).read_bytes()
spared = [tuple(map(int, part.split("-"))) for part in sys.argv[5].split(",")]
places = [at for at in range(len(content)) if not any(start <= at < end for start, end in spared)]
for seed in range(first, last):
    print(seed, end=" ", flush=True)
    draw = random.Random(seed)
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.choice(places)
        changed[at] = draw.randrange(256) if draw.random() < 0.5 else changed[at] ^ 1 << draw.randrange(8)
    (folder / name).write_bytes(changed)
    try:
        Recognizer(open_bundle(folder), "cpu", threads=1).warm_up()
    except BundleError as error:
        assert "\\n" not in str(error) and name in str(error), str(error)
        print("refused")
    else:
        print("works")
"""


@pytest.mark.parametrize("name", ["features.onnx", "context.onnx"])
@pytest.mark.parametrize("norm", ["layer", "group"])
def test_flipped_bytes(request, tmp_path, name, norm):
    """Of a real export, everywhere but inside its large weights. In a process of its own: a crash is a failure too."""
    source = request.getfixturevalue("small_bundle" if norm == "layer" else "group_norm_bundle")
    folder = shutil.copytree(source, tmp_path / "bundle")
    content = (folder / name).read_bytes()
    large = [t.raw_data for t in onnx.load(folder / name).graph.initializer if len(t.raw_data) > 512]
    spared = ",".join(f"{content.find(data)}-{content.find(data) + len(data)}" for data in large)
    run = subprocess.run(
        [sys.executable, "-c", FLIPS, folder, name, "0", "40", spared], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stdout[-300:] + run.stderr[-3000:]
    outcomes = [line.split()[1] for line in run.stdout.splitlines()]
    assert len(outcomes) == 40
    assert {"refused", "works"} == set(outcomes)


def test_changed_numbers_of_a_real_export(small_bundle, tmp_path):
    """Sizes, axes and limits in the graph become others: still a sentence or a result."""
    folder = shutil.copytree(small_bundle, tmp_path / "bundle")
    proto = onnx.load(folder / "context.onnx")
    places = [place for place, tensor in enumerate(proto.graph.initializer) if tensor.data_type == TensorProto.INT64]
    outcomes = []
    for seed in range(25):
        draw = random.Random(seed)
        changed = onnx.ModelProto()
        changed.CopyFrom(proto)
        tensor = changed.graph.initializer[draw.choice(places)]
        values = numpy_helper.to_array(tensor).copy()
        values.flat[draw.randrange(values.size)] = draw.choice([0, -1, 7, 10**6, 2**31, 2**62, -(2**63), 2**63 - 1])
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        (folder / "context.onnx").write_bytes(changed.SerializeToString())
        try:
            Recognizer(open_bundle(folder), "cpu", threads=1).warm_up()
            outcomes.append("")
        except BundleError as error:
            outcomes.append(str(error))
    assert any(outcomes)
    assert all("context.onnx" in told for told in outcomes if told)
