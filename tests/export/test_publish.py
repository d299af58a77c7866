"""Bundles against PyTorch, compared here anew and at other sizes than the exporter's own comparison."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from engine import config as configuration
from engine.config import CtcConfig, DataConfig, MaskingConfig, RunConfig
from engine.text.vocabulary import Vocabulary
from engine.training.checkpoint import Checkpoint, build_ctc_model, find_checkpoint, load_checkpoint, save_checkpoint
from export import publish as publishing
from export.bundle import open_bundle, weights_hash
from export.graph import ExportError
from export.publish import BundleRequest, pretraining_masking, publish
from tests.export.conftest import GROUP_POST, LAYER_PRE, VOCABULARY, make_model

LAYER_POST = replace(LAYER_PRE, layer_norm_first=False)
GROUP_PRE = replace(GROUP_POST, layer_norm_first=True, normalize_waveform=False)

pytestmark = pytest.mark.timeout(900)  # the exporter takes minutes on a busy machine


def run_bundle(folder, waveform, mask, lengths):
    features = onnxruntime.InferenceSession(folder / "features.onnx", providers=["CPUExecutionProvider"])
    context = onnxruntime.InferenceSession(folder / "context.onnx", providers=["CPUExecutionProvider"])
    latents, ids, probs = features.run(["latents", "code_ids", "code_probs"], {"waveform": waveform})
    feed = {"latents": latents, "time_mask": mask, "frame_lengths": lengths}
    return latents, ids, probs, *context.run(["contexts", "logits"], feed)


def run_model(model, waveform, mask, lengths):
    """Written from the modules up, row by row without padding: neither graph nor batch is trusted."""
    rows = []
    with torch.no_grad():
        convolved = model.backbone.feature_extractor(waveform)
        scores = model.quantizer.weight_proj(model.quantizer_norm(model.quantizer_encoder(waveform)))
        scores = scores.view(*scores.shape[:2], model.quantizer.groups, -1)
        latents = model.backbone.feature_projection.layer_norm(convolved)
        for row, length in enumerate(lengths):
            x = model.backbone.feature_projection.projection(latents[row : row + 1, :length])
            x[0, mask[row, :length]] = model.backbone.masked_spec_embed
            contexts = model.backbone.encoder(x)
            rows.append((contexts[0].numpy(), model.head(contexts)[0].numpy()))
    return latents.numpy(), scores.argmax(-1).numpy(), scores.softmax(-1).numpy(), rows


@pytest.mark.parametrize("config", [LAYER_PRE, GROUP_POST], ids=["layer-pre", "group-post"])
@pytest.mark.parametrize("samples", [400, 401, 1039, 1040, 5000, 24321, 48080])
def test_outputs_equal_pytorch(export_small, config, samples):
    exported = export_small(config)
    rng = np.random.default_rng(samples)
    frames = (samples - 400) // 320 + 1
    for batch in (1, 2, 4):
        waveform = rng.normal(0, 0.2, (batch, samples)).astype(np.float32)
        lengths = rng.integers(1, frames + 1, batch)
        lengths[0] = frames
        mask = rng.random((batch, frames)) < 0.4
        latents, ids, probs, contexts, logits = run_bundle(exported.bundle, waveform, mask, lengths)
        expected = run_model(exported.model, torch.from_numpy(waveform), mask, lengths)
        assert latents.shape == (batch, frames, 24)
        assert ids.dtype == np.int64
        np.testing.assert_allclose(latents, expected[0], atol=1e-4, rtol=0)
        np.testing.assert_array_equal(ids, expected[1])
        np.testing.assert_allclose(probs, expected[2], atol=1e-4, rtol=0)
        for row, (c, s) in enumerate(expected[3]):
            np.testing.assert_allclose(contexts[row, : lengths[row]], c, atol=1e-4, rtol=0)
            np.testing.assert_allclose(logits[row, : lengths[row]], s, atol=1e-4, rtol=0)


def test_the_caller_normalises(export_small):
    """GROUP_POST asks for it: graph on the normalised waveform equals the model on the plain one."""
    exported = export_small(GROUP_POST)
    waveform = torch.randn(1, 9000, generator=torch.Generator().manual_seed(3)) * 0.05 + 0.2
    with torch.no_grad():
        logits, _ = exported.model(waveform, torch.tensor([9000]))
    normal = torch.nn.functional.layer_norm(waveform, (9000,)).numpy()
    found = run_bundle(exported.bundle, normal, np.zeros((1, 27), bool), np.array([27]))[-1]
    np.testing.assert_allclose(found, logits.numpy(), atol=1e-4, rtol=0)
    assert open_bundle(exported.bundle).card.normalize_waveform


@pytest.mark.parametrize("config", [LAYER_POST, GROUP_PRE], ids=["layer-post", "group-pre"])
def test_rearranged_modules_equal_the_model(config):
    """The other two pairs of norms, without the exporter's half a minute: what it would see, in PyTorch."""
    from export.graph import ContextGraph, FeaturesGraph, fold

    model = make_model(config, seed=1)
    folded = fold(model)
    waveform = torch.randn(2, 400 + 320 * 30) * 0.2
    mask, lengths = torch.rand(2, 31) < 0.3, torch.tensor([31, 12])
    with torch.no_grad():
        latents, ids, _ = FeaturesGraph(folded)(waveform)
        contexts, _ = ContextGraph(folded)(latents, mask, lengths)
        expected = run_model(model, waveform, mask.numpy(), lengths.tolist())
    np.testing.assert_allclose(latents, expected[0], atol=1e-5)
    np.testing.assert_array_equal(ids, expected[1])
    for row in range(2):
        np.testing.assert_allclose(contexts[row, : lengths[row]], expected[3][row][0], atol=1e-5)


def test_folding_leaves_the_original_as_it_was():
    from export.graph import fold

    model = make_model(LAYER_PRE)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded = fold(model)
    conv = model.backbone.encoder.pos_conv_embed.conv
    assert torch.equal(conv.weight, folded.backbone.encoder.pos_conv_embed.conv.weight)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("config", [LAYER_PRE, GROUP_POST], ids=["layer-pre", "group-post"])
def test_graphs_are_plain(export_small, config):
    """Free axes, our metadata, no weight norm left to compute, no path of the exporting machine."""
    bundle = export_small(config).bundle
    axes = {}
    for name in ("features", "context"):
        path = bundle / f"{name}.onnx"
        proto = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(proto, full_check=True)
        assert proto.opset_import[0].version == 20
        assert {entry.domain for entry in proto.opset_import} == {""}
        operations = {node.op_type for node in proto.graph.node}
        assert not operations & {"ReduceL2", "Pow", "Loop", "If", "IsNaN", "InstanceNormalization"}
        assert name == "features" or not operations & {"Sqrt", "ReduceSum", "Div"}
        assert not [tensor.name for tensor in proto.graph.initializer if "original" in tensor.name]
        for value in (*proto.graph.input, *proto.graph.output):
            axes[value.name] = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        notes = {entry.key: entry.value for entry in proto.metadata_props}
        assert notes["blank"] == "0"
        assert notes["origin_run"] == "spring"
        assert notes["feature_norm"] == config.feature_norm
        assert '"|": 4' in notes["vocabulary"]
        assert str(Path(publishing.__file__).parents[1]).encode() not in path.read_bytes()
    assert axes == {
        "waveform": ["batch", "samples"],
        "latents": ["batch", "frames", 24],
        "code_ids": ["batch", "frames", 2],
        "code_probs": ["batch", "frames", 2, 20],
        "time_mask": ["batch", "frames"],
        "frame_lengths": ["batch"],
        "contexts": ["batch", "frames", 64],
        "logits": ["batch", "frames", 32],
    }


def test_card(export_small):
    exported = export_small(LAYER_PRE)
    bundle = open_bundle(exported.bundle)
    card = bundle.card
    assert bundle.vocabulary == VOCABULARY
    assert (card.name, card.origin_run, card.licence, card.description) == ("bundle", "spring", "CC0", "small")
    assert (card.mask_prob, card.mask_length, card.mask_min_spans) == (0.65, 10, 2)
    assert card.weights_sha256 == weights_hash(exported.bundle)
    assert set(card.parity) == {"latents", "code_ids", "code_probs", "contexts", "logits"}
    assert card.parity["code_ids"] == 0
    assert all(0 <= value < 1e-4 for value in card.parity.values())
    assert card.codebook_trained
    assert card.created.startswith("20")
    model = exported.model
    used = [model.backbone, model.head, model.quantizer_norm, model.quantizer.weight_proj, model.quantizer_encoder]
    weights = sum(weight.numel() for part in used for weight in part.parameters())
    gains = model.backbone.encoder.pos_conv_embed.conv.parametrizations.weight.original0.numel()
    assert 0 <= card.parameters - (weights - gains) < 20  # and a few constants of the graphs


def test_half_weights(export_small):
    whole, half = export_small(LAYER_PRE), export_small(LAYER_PRE, "fp16")
    card = open_bundle(half.bundle).card
    assert card.weights == "fp16"
    for name in ("features.onnx", "context.onnx"):
        stored = {
            tensor.name: (tensor.data_type, int(np.prod(tensor.dims)))
            for tensor in onnx.load(half.bundle / name).graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        }
        kinds = {kind for kind, size in stored.values() if size > 1000}
        assert kinds == {onnx.TensorProto.FLOAT16}
    sizes = [(folder / "context.onnx").stat().st_size for folder in (whole.bundle, half.bundle)]
    assert 0.45 < sizes[1] / sizes[0] < 0.65
    assert max(value for name, value in card.parity.items() if name != "fp16_rounding") < 1e-4
    assert 1e-5 < card.parity["fp16_rounding"] < 0.1
    waveform = np.random.default_rng(5).normal(0, 0.2, (1, 16000)).astype(np.float32)
    inputs = (waveform, np.zeros((1, 49), bool), np.array([49]))
    exact, rounded = run_bundle(whole.bundle, *inputs)[-1], run_bundle(half.bundle, *inputs)[-1]
    assert 0 < np.abs(exact - rounded).max() <= 2 * card.parity["fp16_rounding"]


@pytest.mark.parametrize("graph", [0, 1], ids=["features", "context"])
def test_a_graph_that_differs_is_not_published(export_small, monkeypatch, tmp_path, graph):
    exported = export_small(LAYER_PRE)
    protos = [onnx.load(exported.bundle / name) for name in ("features.onnx", "context.onnx")]
    weights = [tensor for tensor in protos[graph].graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    largest = max(weights, key=lambda tensor: int(np.prod(tensor.dims)))
    values = onnx.numpy_helper.to_array(largest).copy()
    values.flat[7] += 0.1
    largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
    monkeypatch.setattr(publishing, "trace", lambda *_: tuple(protos))
    out = tmp_path / "models" / "wrong"
    with pytest.raises(ExportError, match=r"(latents|contexts) by [\d.e-]+ at \d+ samples, batch [13]") as caught:
        publish(exported.checkpoint, out, BundleRequest(), lambda _: None)
    assert "1e-4" in str(caught.value) or "0.0001" in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_replacing(export_small, monkeypatch, tmp_path):
    """An existing bundle stays unless asked; a folder with anything else in it stays in any case."""
    exported = export_small(LAYER_PRE)
    out = tmp_path / "mine"
    shutil.copytree(exported.bundle, out)
    (out / "bundle.json").write_text('{"name": "old", "format_version": 1}')
    with pytest.raises(ExportError, match="--force"):
        publish(exported.checkpoint, out, BundleRequest(), lambda _: None)
    protos = [onnx.load(exported.bundle / name) for name in ("features.onnx", "context.onnx")]
    monkeypatch.setattr(publishing, "trace", lambda *_: tuple(protos))
    publish(exported.checkpoint, out, BundleRequest(name="new", force=True), lambda _: None)
    assert open_bundle(out).card.name == "new"
    assert list(tmp_path.iterdir()) == [out]
    (out / "notes.txt").write_text("keep me")
    with pytest.raises(ExportError, match=r"notes\.txt"):
        publish(exported.checkpoint, out, BundleRequest(force=True), lambda _: None)
    assert (out / "notes.txt").read_text() == "keep me"


def test_masks_of_the_pretraining_run(tmp_path):
    run = tmp_path / "before"
    (run / "checkpoints").mkdir(parents=True)
    checkpoint = run / "checkpoints" / "best.pt"
    tuned = RunConfig(task="finetune", ctc=CtcConfig(checkpoint=str(checkpoint)), masking=MaskingConfig(time_prob=0.2))
    assert pretraining_masking(tuned) == MaskingConfig()
    configuration.save(RunConfig(masking=MaskingConfig(time_prob=0.5, time_length=8)), run / "config.json")
    assert pretraining_masking(tuned).time_length == 8
    assert pretraining_masking(replace(tuned, ctc=CtcConfig(checkpoint=str(run)))).time_prob == 0.5
    assert pretraining_masking(replace(tuned, ctc=CtcConfig())) == MaskingConfig()


def test_a_bundle_to_go_on_from(tmp_path):
    """It keeps the weights for PyTorch, and what it began from gives it its language model."""
    before = tmp_path / "before"
    before.mkdir()
    VOCABULARY.save(before / "vocab.json")
    files = ("lm.arpa.gz", "lexicon.txt", "decoding.json")
    for name in files:
        (before / name).write_bytes(name.encode())
    model = make_model(LAYER_PRE)
    data = DataConfig(train=(str(tmp_path / "mine.tsv"),), weights=(2.0,), root=str(tmp_path))
    run = RunConfig(task="finetune", name="small", model=LAYER_PRE, data=data, ctc=CtcConfig(checkpoint=str(before)))
    checkpoint = Checkpoint(run, 7, model.state_dict(), VOCABULARY, {"optimizer": {}}, "runs/spring")
    save_checkpoint(checkpoint, tmp_path / "small.pt")
    bundle = tmp_path / "bundle"
    publish(tmp_path / "small.pt", bundle, BundleRequest(measure="none", trainable=True), print)
    assert [(bundle / name).read_bytes().decode() for name in files] == list(files)
    assert find_checkpoint(bundle) == bundle / "trainable.pt"
    found = load_checkpoint(find_checkpoint(bundle))
    assert (found.training, found.vocabulary, found.run) == (None, VOCABULARY, "runs/spring")
    assert found.config == replace(run, data=DataConfig(), ctc=CtcConfig())
    assert str(tmp_path).encode() not in (bundle / "trainable.pt").read_bytes()
    again = build_ctc_model(found).state_dict()
    for name, value in model.state_dict().items():
        assert torch.allclose(again[name], value, rtol=2**-10, atol=2**-24), name
    assert (bundle / "trainable.pt").stat().st_size < 0.2 * (tmp_path / "small.pt").stat().st_size
    # Letters of another model: its words would be spelled wrongly.
    Vocabulary(("<pad>", "|", "A"), 0, "|").save(before / "vocab.json")
    other, loose = tmp_path / "other", tmp_path / "small.pt"
    other.mkdir()
    publishing.take_language_model(checkpoint, loose, VOCABULARY, other, print)
    assert list(other.iterdir()) == []
    # Phones of another model: its words would sound wrong.
    VOCABULARY.save(before / "vocab.json")
    (before / "bundle.json").write_text('{"phones": ["AH", "T"]}')
    publishing.take_language_model(checkpoint, loose, VOCABULARY, other, print)
    assert list(other.iterdir()) == []
    phones = replace(checkpoint, phones=("AH", "T"))
    publishing.take_language_model(phones, loose, VOCABULARY, other, print)
    assert len(list(other.iterdir())) == 3
    # What the run has adapted itself comes before that of the bundle.
    (before / "lm.npz").write_bytes(b"the bundle's")
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/lm.npz").write_bytes(b"the run's")
    publishing.take_language_model(phones, loose, VOCABULARY, other, print)
    assert (other / "lm.npz").read_bytes() == b"the bundle's"
    publishing.take_language_model(phones, tmp_path / "run/checkpoints/best.pt", VOCABULARY, other, print)
    assert (other / "lm.npz").read_bytes() == b"the run's"


def test_what_decodes_stays_when_a_bundle_is_replaced(tmp_path):
    run = RunConfig(task="finetune", name="small", model=LAYER_PRE)
    save_checkpoint(Checkpoint(run, 7, make_model(LAYER_PRE).state_dict(), VOCABULARY), tmp_path / "small.pt")
    bundle, request = tmp_path / "bundle", BundleRequest(measure="none", trainable=True, force=True)
    publish(tmp_path / "small.pt", bundle, request, print)
    mine = {"decoding.json": "tuned", "lm.arpa.gz": "mine", "lexicon.txt": "A\tA |\n"}
    for name, text in mine.items():
        (bundle / name).write_text(text)
    publish(tmp_path / "small.pt", bundle, replace(request, trainable=False), print)
    assert {name: (bundle / name).read_text() for name in mine} == mine
    assert not (bundle / "trainable.pt").exists()
    # With other letters they would be wrong.
    fewer = Vocabulary(VOCABULARY.tokens[:-1], VOCABULARY.blank, VOCABULARY.separator)
    model = make_model(LAYER_PRE).state_dict()
    model |= {name: model[name][:-1] for name in ("head.weight", "head.bias")}
    save_checkpoint(Checkpoint(run, 7, model, fewer), tmp_path / "small.pt")
    publish(tmp_path / "small.pt", bundle, request, print)
    assert not any((bundle / name).exists() for name in mine)
    # What is nobody's business is refused as before.
    (bundle / "letter.txt").write_text("keep me")
    with pytest.raises(ExportError, match=r"letter\.txt"):
        publish(tmp_path / "small.pt", bundle, request, print)


def test_phones_stand_in_the_card_and_behind_the_letters(tmp_path):
    from engine.model.ctc import CtcModel

    torch.manual_seed(0)
    model = CtcModel(RunConfig(task="finetune", model=LAYER_PRE), len(VOCABULARY) + 3).eval()
    run = RunConfig(task="finetune", name="small", model=LAYER_PRE)
    save_checkpoint(Checkpoint(run, 7, model.state_dict(), VOCABULARY, phones=("AH", "T")), tmp_path / "small.pt")
    (tmp_path / "lexicon.txt").write_text("AT\tAH T\n")
    publish(tmp_path / "small.pt", tmp_path / "bundle", BundleRequest(), print)
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.card.phones == ["AH", "T"]
    assert (bundle.folder / "lexicon.txt").read_text() == "AT\tAH T\n"
    waveform = np.random.default_rng(1).normal(0, 0.2, (1, 9000)).astype(np.float32)
    logits = run_bundle(bundle.folder, waveform, np.zeros((1, 27), bool), np.array([27]))[-1]
    with torch.no_grad():
        expected = model(torch.from_numpy(waveform))[0].numpy()
    assert logits.shape[-1] == 35
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=0)
    # Its words are those of the letters.
    row = bundle.card.precisions.rows[0]
    assert row.text_difference == 0
