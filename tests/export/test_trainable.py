"""trainable.pt: with the graphs beside it, it has all weights of the checkpoint, and by itself few of them."""

import shutil
from dataclasses import replace

import onnx
import pytest
import torch
from onnx import numpy_helper

from engine.config import RunConfig
from engine.training.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from export.publish import BundleRequest, publish
from export.trainable import write_trainable
from tests.export.conftest import GROUP_POST, LAYER_PRE, VOCABULARY, make_model

pytestmark = pytest.mark.timeout(900)  # the exporter takes minutes on a busy machine


def export(tmp_path, config, weights, convolutions=0.0):
    """The bundle and its model; `convolutions` moves them away from those that the codes were trained behind."""
    model = make_model(config)
    with torch.no_grad():
        for weight in model.backbone.feature_extractor.parameters():
            weight.add_(convolutions * torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)))
    run = RunConfig(task="finetune", name="small", model=config)
    save_checkpoint(Checkpoint(run, 7, model.state_dict(), VOCABULARY), tmp_path / "small.pt")
    bundle = tmp_path / "bundle"
    publish(tmp_path / "small.pt", bundle, BundleRequest(measure="none", trainable=True, weights=weights), print)
    return bundle, model.state_dict()


def elements_inside(bundle):
    content = torch.load(bundle / "trainable.pt", weights_only=True)
    return sum(value.numel() for value in content["model"].values())


@pytest.mark.parametrize("config", [LAYER_PRE, GROUP_POST], ids=["layer-pre", "group-post"])
@pytest.mark.parametrize(("weights", "convolutions"), [("fp32", 0.0), ("fp16", 0.01)])
def test_it_has_all_weights_and_holds_few(tmp_path, config, weights, convolutions):
    bundle, state = export(tmp_path, config, weights, convolutions)
    found = load_checkpoint(bundle / "trainable.pt").model
    assert found.keys() == state.keys()
    large = {name: value for name, value in state.items() if value.numel() > 1000}
    for name, value in state.items():
        assert found[name].shape == value.shape
        assert torch.allclose(found[name].float(), value, rtol=2**-10, atol=2**-24), name
        # What a graph has in 32 bits comes back exactly; the gains of the weight norm are not in it.
        if weights == "fp32" and name in large and "parametrizations" not in name and not name.startswith("quantizer."):
            assert torch.equal(found[name], value), name
    attention = [name for name in large if ".attention." in name and name.endswith("weight")]
    assert len(attention) == 4 * config.layers
    inside = torch.load(bundle / "trainable.pt", weights_only=True)["model"]
    assert not set(attention) & set(inside)
    assert elements_inside(bundle) < 0.2 * sum(value.numel() for value in state.values())


def test_weights_that_no_graph_has_are_kept(tmp_path, export_small):
    """As where the graphs are in 8 bits: here they are of another model."""
    for name in ("features.onnx", "context.onnx"):
        shutil.copyfile(export_small(LAYER_PRE).bundle / name, tmp_path / name)
    state = make_model(LAYER_PRE, seed=1).state_dict()
    run = RunConfig(task="finetune", name="small", model=LAYER_PRE)
    write_trainable(Checkpoint(run, 7, state, VOCABULARY), tmp_path)
    found = torch.load(tmp_path / "trainable.pt", weights_only=True)
    assert found["format"] == 1
    assert found["model"].keys() == state.keys()
    for name, value in load_checkpoint(tmp_path / "trainable.pt").model.items():
        assert torch.allclose(value.float(), state[name], rtol=2**-10, atol=2**-24), name


def test_it_knows_its_graphs(tmp_path):
    bundle, _ = export(tmp_path, LAYER_PRE, "fp16")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copyfile(bundle / "trainable.pt", alone / "trainable.pt")
    with pytest.raises(CheckpointError, match="keep the files of a bundle together"):
        load_checkpoint(alone / "trainable.pt")
    for name in ("features.onnx", "context.onnx"):
        shutil.copyfile(bundle / name, alone / name)
    assert load_checkpoint(alone / "trainable.pt").model
    graph = onnx.load(alone / "context.onnx")
    place = next(place for place, each in enumerate(graph.graph.initializer) if each.name == "head.bias")
    other = numpy_helper.from_array(numpy_helper.to_array(graph.graph.initializer[place]) + 1, "head.bias")
    graph.graph.initializer[place].CopyFrom(other)
    onnx.save(graph, alone / "context.onnx")
    with pytest.raises(CheckpointError, match="not the graph that it was exported with"):
        load_checkpoint(alone / "trainable.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"tensor": "nowhere"}, "no tensor nowhere"), ({"heads": 7}, "sizes"), ({"shape": (3, 5)}, "sizes")],
)
def test_places_that_cannot_be(tmp_path, export_small, change, message):
    bundle = export_small(LAYER_PRE).bundle
    from engine.exchange.graph_weights import GraphWeight, graph_tensors

    name = next(name for name, value in graph_tensors(bundle / "context.onnx").items() if value.ndim == 2)
    shape = tuple(graph_tensors(bundle / "context.onnx")[name].shape)
    for each in ("features.onnx", "context.onnx"):
        shutil.copyfile(bundle / each, tmp_path / each)
    place = replace(GraphWeight("context.onnx", name, shape), **change)
    checkpoint = Checkpoint(RunConfig(task="finetune", model=LAYER_PRE), 7, {}, VOCABULARY)
    save_checkpoint(checkpoint, tmp_path / "x.pt", {"head.weight": place})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "x.pt")


def test_graphs_elsewhere_are_not_opened(tmp_path):
    from engine.exchange.graph_weights import GraphWeightError, take

    with pytest.raises(GraphWeightError, match="no file name"):
        take({"sha256": {"../context.onnx": ""}, "weights": {}}, tmp_path)
