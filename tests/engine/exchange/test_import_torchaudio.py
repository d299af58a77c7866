"""A torchaudio state dict, saved as its users save it, gives torchaudio's outputs."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torchaudio.models import wav2vec2_model

from engine.exchange.assemble import assemble
from engine.exchange.reading_options import ReadingOptions
from engine.exchange.source import read_source
from engine.text.vocabulary import VocabularyError
from engine.training.checkpoint import CheckpointError, build_ctc_model, build_pretraining_model

# width 128: two heads of 64, which is what is assumed where nothing says so
WIDTH = 128


def theirs(norm="layer", rows=29):
    torch.manual_seed(1)
    model = wav2vec2_model(
        extractor_mode=f"{norm}_norm",
        extractor_conv_layer_config=[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32, 2, 2)] * 2,
        extractor_conv_bias=norm == "layer",
        encoder_embed_dim=WIDTH,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=12,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=64,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=norm == "layer",
        encoder_layer_drop=0.0,
        aux_num_out=rows,
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def read(path, **options):
    return read_source(str(path), ReadingOptions(**options))


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("form", ["pt", "safetensors", "old names"])
def test_a_recogniser(tmp_path, noise, norm, form):
    model = theirs(norm)
    weights = model.state_dict()
    if form == "old names":
        for place, old in enumerate("gv"):
            new = f"encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original{place}"
            weights[f"encoder.transformer.pos_conv_embed.conv.weight_{old}"] = weights.pop(new)
    path = tmp_path / ("model.safetensors" if form == "safetensors" else "model.pt")
    if form == "safetensors":
        save_file(dict(weights), path)
    else:
        torch.save(weights, path)
    source = read(path)
    checkpoint = assemble(source)
    assert checkpoint.vocabulary.tokens[:5] == ("<pad>", "|", "E", "T", "A")
    assert checkpoint.config.model.normalize_waveform is (norm == "layer")
    assert "2 heads" in source.notes[0]
    ours = build_ctc_model(checkpoint).eval()
    with torch.no_grad():
        expected = model(ours.backbone.normalize(noise))[0]
        torch.testing.assert_close(ours(noise)[0], expected, atol=1e-5, rtol=0)


def test_a_network_without_head(tmp_path, noise):
    model = theirs("group", rows=None)
    torch.save(model.state_dict(), tmp_path / "base.pt")
    checkpoint = assemble(read(tmp_path / "base.pt"))
    assert checkpoint.config.task == "pretrain"
    assert not checkpoint.codebook_trained
    ours = build_pretraining_model(checkpoint).eval()
    with torch.no_grad():
        torch.testing.assert_close(ours.wav2vec2(noise).contexts, model(noise)[0], atol=1e-5, rtol=0)


def test_settings_replace_what_is_assumed(tmp_path):
    torch.save(theirs().state_dict(), tmp_path / "model.pt")
    changed = read(tmp_path / "model.pt", settings=["model.heads=4", "model.normalize_waveform=false"])
    assert (changed.config.model.heads, changed.config.model.normalize_waveform) == (4, False)
    with pytest.raises(CheckpointError, match="of another shape"):
        read(tmp_path / "model.pt", settings=["model.ffn_dim=32"])


def test_letters_of_another_head_must_be_given(tmp_path):
    torch.save(theirs(rows=4).state_dict(), tmp_path / "model.pt")
    with pytest.raises(VocabularyError, match="--vocabulary"):
        read(tmp_path / "model.pt")
    (tmp_path / "labels.json").write_text(json.dumps({"-": 0, "|": 1, "ñ": 2, "a": 3}))
    source = read(tmp_path / "model.pt", vocabulary=tmp_path / "labels.json")
    assert source.vocabulary.tokens == ("<pad>", "|", "ñ", "a")


def test_other_state_dicts_are_refused(tmp_path):
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"layer\.weight"):
        read(tmp_path / "other.pt")
    torch.save({"wav2vec2.encoder.layers.0.attention.k_proj.weight": torch.zeros(2)}, tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read(tmp_path / "bare.pt")
    torch.save({"encoder.transformer.layer_norm.weight": torch.zeros(2)}, tmp_path / "torn.pt")
    with pytest.raises(CheckpointError, match="does not hold a wav2vec"):
        read(tmp_path / "torn.pt")
