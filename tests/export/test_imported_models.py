"""Models of elsewhere, as graphs, against transformers itself; every length and batch; language adapters."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from engine.exchange.assemble import assemble
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.source import read_source
from engine.text.ctc import decode_words, text_of
from engine.training.checkpoint import build_ctc_model
from export.graph import ContextGraph, FeaturesGraph, fold, trace
from export.graph_check import check_graph
from tests.engine.exchange.conftest import published, small_model  # noqa: F401 (a fixture)
from tests.export.conftest import GROUP_POST, LAYER_PRE, VOCABULARY

pytestmark = pytest.mark.timeout(900)  # the exporter takes minutes on a busy machine

LENGTHS = [400, 401, 719, 720, 721, 1537, 16000, 16001]


def noise(rows, samples):
    """Noise of several levels, from loud to faint."""
    rng = np.random.default_rng(samples + rows)
    levels = np.geomspace(0.5, 0.02, rows)[:, None]
    return (rng.normal(size=(rows, samples)) * levels).astype(np.float32)


def session(graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def graph_logits(sessions, waveform):
    latents = sessions[0].run(["latents"], {"waveform": waveform})[0]
    rows, frames = latents.shape[:2]
    feed = {
        "latents": latents,
        "time_mask": np.zeros((rows, frames), bool),
        "frame_lengths": np.full(rows, frames),
    }
    return sessions[1].run(["logits"], feed)[0]


def balanced(model, weight, bias):
    """Heads whose tokens win in turn, so that the text depends on every frame: random ones say one letter."""
    with torch.no_grad():
        weight.mul_(20)
        logits = model(torch.from_numpy(noise(4, 24000)))
        logits = logits.logits if hasattr(logits, "logits") else logits[0]
        bias -= logits.mean(dim=(0, 1))


def texts(logits, vocabulary):
    return [text_of(decode_words(row, vocabulary)) for row in logits]


def compare(found, expected, vocabulary):
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-4, rtol=0)
    assert texts(found, vocabulary) == texts(expected, vocabulary)


@pytest.fixture(scope="module")
def sessions(export_small):
    return {
        name: [session(export_small(config).bundle / file) for file in ("features.onnx", "context.onnx")]
        for name, config in (("layer", LAYER_PRE), ("group", GROUP_POST))
    }


@pytest.mark.parametrize(("norm", "config"), [("layer", LAYER_PRE), ("group", GROUP_POST)])
@pytest.mark.parametrize("samples", LENGTHS)
def test_every_length_and_batch(export_small, sessions, norm, config, samples):
    model = export_small(config).model
    for rows in (1, 3, 64) if samples < 2000 else (1, 3) if samples > 16000 else (1, 64):
        waveform = noise(rows, samples)
        with torch.no_grad():
            expected = model(torch.from_numpy(waveform))[0].numpy()
        if config.normalize_waveform:
            centred = waveform - waveform.mean(axis=1, keepdims=True)
            waveform = centred / np.sqrt(centred.var(axis=1, keepdims=True) + 1e-5)
        found = graph_logits(sessions[norm], waveform)
        assert found.shape == (rows, (samples - 400) // 320 + 1, 32)
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
        assert texts(found, VOCABULARY) == texts(expected, VOCABULARY)


def imported(folder):
    checkpoint = assemble(read_source(str(folder), ReadingOptions()))
    return build_ctc_model(checkpoint).eval(), checkpoint.vocabulary


def test_an_imported_model_with_language_adapters(published, tmp_path):  # noqa: F811
    """As MMS has them. The graph is compared with transformers, and with itself without the adapters."""
    theirs = small_model("ctc", "layer", adapter_attn_dim=8, num_hidden_layers=2)
    balanced(theirs, theirs.lm_head.weight, theirs.lm_head.bias)
    folder, _ = published("ctc", "layer", normalize=False, model=theirs)
    ours, vocabulary = imported(folder)
    graphs = trace(fold(ours), {"name": "mms"})
    for name, proto in zip(("features", "context"), graphs, strict=True):
        onnx.save(proto, tmp_path / f"{name}.onnx")
        check_graph(tmp_path / f"{name}.onnx")
    sessions = [session(proto.SerializeToString()) for proto in graphs]
    said = set()
    for samples in LENGTHS:
        for rows in (1, 3, 64) if samples < 1000 else (1, 3):
            waveform = noise(rows, samples)
            with torch.no_grad():
                expected = theirs(torch.from_numpy(waveform)).logits.numpy()
            found = graph_logits(sessions, waveform)
            compare(found, expected, vocabulary)
            said.update(texts(found, vocabulary))
    assert len(said) > 30
    assert [node.op_type for node in graphs[1].graph.node].count("Relu") == 2
    with torch.no_grad():
        for layer in theirs.wav2vec2.encoder.layers:
            layer.adapter_layer.linear_2.weight.zero_()
            layer.adapter_layer.linear_2.bias.zero_()
        without = theirs(torch.from_numpy(noise(1, 16000))).logits.numpy()
    assert np.abs(graph_logits(sessions, noise(1, 16000)) - without).max() > 0.1


def test_imported_models_of_the_older_kind_rearranged(published):  # noqa: F811
    """Group norm: what the exporter would see, in PyTorch, against transformers."""
    theirs = small_model("ctc", "group", num_hidden_layers=2)
    balanced(theirs, theirs.lm_head.weight, theirs.lm_head.bias)
    folder, _ = published("ctc", "group", normalize=False, model=theirs)
    ours, vocabulary = imported(folder)
    folded = fold(ours)
    features, context = FeaturesGraph(folded), ContextGraph(folded)
    for samples in LENGTHS:
        waveform = torch.from_numpy(noise(3, samples))
        with torch.no_grad():
            expected = theirs(waveform).logits.numpy()
            latents = features(waveform)[0]
            mask = torch.zeros(latents.shape[:2], dtype=torch.bool)
            found = context(latents, mask, torch.full((3,), latents.shape[1]))[1].numpy()
        compare(found, expected, vocabulary)
