"""int8 and the table: what is offered, what is refused, and what stays in the bundle."""

import dataclasses
import math
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch

from engine.text.ctc import decode_words, text_of
from engine.text.error_rate import error_rates
from export import publish as publishing
from export import variants
from export.__main__ import main
from export.bundle import open_bundle
from export.check_set import read_check_set
from export.int8 import quantize
from export.precisions import Precision, PrecisionTable, objection
from tests.export.conftest import LAYER_PRE, VOCABULARY

pytestmark = pytest.mark.timeout(900)  # the exporter takes minutes on a busy machine


def table(fp32, int8):
    """Rows from (seconds, wer, words changed)."""
    rows = [
        Precision(name, 1, seconds, wer, wer, changed, 0.0)
        for name, (seconds, wer, changed) in (("fp32", fp32), ("int8", int8))
    ]
    return PrecisionTable(tuple(rows), "a set", 1, 1.0, 1, "a processor")


@pytest.mark.parametrize(
    ("fp32", "int8", "reason"),
    [
        ((1.0, 0.10, 0.0), (0.80, 0.102, 0.3), ""),
        ((1.0, 0.10, 0.0), (0.81, 0.10, 0.0), "takes 0.81 times the time"),
        ((1.0, 0.10, 0.0), (0.50, 0.103, 0.0), "its WER is 10.30%, that of fp32 10.00%"),
        ((1.0, 0.0, 0.0), (0.50, 0.001, 0.0), "its WER is 0.10%"),
        ((1.0, 0.0, 0.0), (0.50, 0.0, 0.0), ""),
        ((1.0, None, 0.0), (0.50, None, 0.03), "3.0% of its words differ"),
        ((1.0, None, 0.0), (0.50, None, 0.02), ""),
        ((1.0, 0.99, 0.0), (0.50, 0.99, 0.5), "50.0% of its words differ"),
        ((1.0, 0.10, 0.0), (2.00, 0.2, 0.5), "2.00 times.* and its WER"),
        ((1.0, 0.10, 0.0), (math.nan, 0.1, 0.0), "takes nan times"),
    ],
)
def test_when_int8_is_offered(fp32, int8, reason):
    found = objection(table(fp32, int8))
    if reason:
        assert re.search(reason, found), found
    else:
        assert found == ""


def test_int8_needs_both_measured():
    alone = dataclasses.replace(table((1, 0, 0), (1, 0, 0)), rows=())
    assert "not both been measured" in objection(alone)


def test_only_the_transformers_products_become_integers(export_small):
    exact = onnx.load(export_small(LAYER_PRE).bundle / "context.onnx")
    found = quantize(exact)
    onnx.checker.check_model(found)
    operations = [node.op_type for node in found.graph.node]
    layers = LAYER_PRE.layers
    assert operations.count("MatMulInteger") == 6 * layers
    assert "DequantizeLinear" not in operations
    assert operations.count("Conv") == 1
    stored = {tensor.name: tensor for tensor in found.graph.initializer}
    small = [
        tensor for tensor in stored.values() if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert len(small) == 6 * layers
    # The projection reads the latents and the head gives the logits, both with weights in 32 bits.
    whole = {node.input[1] for node in found.graph.node if node.op_type == "MatMul" and node.input[1] in stored}
    shapes = sorted(tuple(stored[name].dims) for name in whole)
    assert shapes == [(LAYER_PRE.conv_channels[-1], LAYER_PRE.embed_dim), (LAYER_PRE.embed_dim, len(VOCABULARY))]
    assert all(stored[name].data_type == onnx.TensorProto.FLOAT for name in whole)
    # One scale for each output channel.
    scales = [tensor for name, tensor in stored.items() if name.endswith("_scale") and tensor.dims]
    assert {tuple(tensor.dims) for tensor in scales} == {
        (node_width,) for node_width in {tuple(tensor.dims)[1] for tensor in small}
    }


def test_the_table_says_what_happens(export_small):
    """Its rates computed here anew, by PyTorch for fp32 and by the bundle's graphs."""
    exported = export_small(LAYER_PRE)
    card = open_bundle(exported.bundle).card
    found = card.precisions
    assert [row.weights for row in found.rows] == ["fp32", "int8"]
    clips = read_check_set(None).clips
    assert (found.check, found.clips) == ("shipped samples", len(clips))
    assert found.audio_s == pytest.approx(sum(len(clip.waveform) for clip in clips) / 16000, abs=1e-3)
    assert found.threads >= 1
    assert found.processor
    pairs = []
    for clip in clips:
        with torch.no_grad():
            logits, _ = exported.model(torch.from_numpy(clip.waveform)[None])
        pairs.append((clip.transcript, text_of(decode_words(logits[0].numpy(), VOCABULARY))))
    rates = error_rates(pairs)
    exact, small = found.rows
    assert exact.wer == pytest.approx(rates.wer, abs=1e-5)
    assert exact.cer == pytest.approx(rates.cer, abs=1e-5)
    assert exact.text_difference == 0
    assert exact.parity < 1e-4 < small.parity < 10
    assert exact.size_bytes == sum(
        (exported.bundle / name).stat().st_size for name in ("features.onnx", "context.onnx")
    )
    assert small.size_bytes < exact.size_bytes
    assert exact.seconds_per_audio_second > 0
    assert sorted(path.name for path in exported.bundle.iterdir()) == [
        "bundle.json",
        "context.onnx",
        "features.onnx",
        "vocab.json",
    ]


@pytest.fixture
def quick_export(export_small, monkeypatch):
    """The command with the exporter's result of before, so that it takes seconds."""
    exported = export_small(LAYER_PRE)
    protos = [onnx.load(exported.bundle / name) for name in ("features.onnx", "context.onnx")]
    monkeypatch.setattr(publishing, "trace", lambda *_: tuple(protos))
    return lambda out, *options: main([str(exported.checkpoint), "--out", str(out), *map(str, options)])


def test_int8_that_does_not_pay_is_refused_with_the_numbers(quick_export, tmp_path, capsys, monkeypatch):
    slow = table((0.1, 0.2, 0.0), (0.2, 0.3, 0.4))
    monkeypatch.setattr(variants, "measure", lambda *_: slow)
    assert quick_export(tmp_path / "models" / "b", "--weights", "int8") == 1
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert "int8 is not offered on this machine: it takes 2.00 times the time" in last
    assert "its WER is 30.00%, that of fp32 20.00%" in last
    assert "--weights fp32" in last
    assert list((tmp_path / "models").iterdir()) == []


def test_int8_that_pays_is_written(quick_export, tmp_path, capsys, monkeypatch):
    quick = table((0.1, 0.2, 0.0), (0.05, 0.2, 0.0))
    monkeypatch.setattr(variants, "measure", lambda *_: quick)
    assert quick_export(tmp_path / "b", "--weights", "int8") == 0
    bundle = open_bundle(tmp_path / "b")
    assert bundle.card.weights == "int8"
    assert bundle.card.precisions == quick
    assert any(node.op_type == "MatMulInteger" for node in onnx.load(bundle.context_path).graph.node)
    session = onnxruntime.InferenceSession(bundle.context_path, providers=["CPUExecutionProvider"])
    feed = {
        "latents": np.random.default_rng(0).normal(size=(2, 30, 24)).astype(np.float32),
        "time_mask": np.zeros((2, 30), bool),
        "frame_lengths": np.array([30, 11]),
    }
    assert np.isfinite(session.run(["logits"], feed)[0]).all()


def test_measured_on_a_manifest_of_ones_own(quick_export, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32), 16000)
    manifest = tmp_path / "mine.tsv"
    manifest.write_text("path\tduration_s\na.wav\t0.5625\n", encoding="utf-8")
    assert quick_export(tmp_path / "b", "--check", manifest, "--measure", "chosen") == 0
    found = open_bundle(tmp_path / "b").card.precisions
    assert (found.check, found.clips, [row.weights for row in found.rows]) == ("mine.tsv", 1, ["fp32"])
    assert found.rows[0].wer is None
    assert quick_export(tmp_path / "c", "--measure", "none") == 0
    assert open_bundle(tmp_path / "c").card.precisions is None
    assert quick_export(tmp_path / "d", "--check", tmp_path / "missing.tsv") == 1
    assert quick_export(tmp_path / "d", "--weights", "int8", "--measure", "none") == 1
    assert "measured to pay" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
