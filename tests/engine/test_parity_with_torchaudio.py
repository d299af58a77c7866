"""The whole model against torchaudio's with the same random weights: a third implementation, beside transformers'.

torchaudio has the network and a CTC head; its padding is set to zero before the positions and left out as keys, as in
fairseq, whose weights it was made to run.
"""

import dataclasses

import pytest
import torch
from torchaudio.models import wav2vec2_model

from engine.config import DropoutConfig, ModelConfig, RunConfig
from engine.model.ctc import CtcModel

NO_DROPOUT = DropoutConfig(**{field.name: 0.0 for field in dataclasses.fields(DropoutConfig)})
TOLERANCE = 1e-5
NORMS = {"layer": "layer_norm", "group": "group_norm"}
STEM = "encoder.transformer"


def their_name(name):
    """Our name to torchaudio's, from the table of the reference (section 18)."""
    if name.startswith("head."):
        return name.replace("head.", "aux.")
    name = name.removeprefix("backbone.")
    if name.startswith("encoder."):
        return f"{STEM}.{name.removeprefix('encoder.')}"
    return f"encoder.{name}" if name.startswith("feature_projection.") else name


def pair(norm, layer_norm_first, bias):
    model = ModelConfig(
        feature_norm=norm,
        conv_channels=(32,) * 7,
        conv_bias=bias,
        layer_norm_first=layer_norm_first,
        embed_dim=48,
        ffn_dim=64,
        layers=3,
        heads=4,
        position_kernel=16,
        position_groups=4,
    )
    torch.manual_seed(0)
    ours = CtcModel(RunConfig(task="finetune", model=model, dropout=NO_DROPOUT), 29)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if parameter.dim() == 1 or name.endswith("original0"):
                parameter.add_(0.2 * torch.randn_like(parameter).abs())
    theirs = wav2vec2_model(
        extractor_mode=NORMS[norm],
        extractor_conv_layer_config=[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32, 2, 2)] * 2,
        extractor_conv_bias=bias,
        encoder_embed_dim=48,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=3,
        encoder_num_heads=4,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=64,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=layer_norm_first,
        encoder_layer_drop=0.0,
        aux_num_out=29,
    )
    kept = {name: value for name, value in ours.state_dict().items() if not name.startswith("quantizer")}
    kept.pop("backbone.masked_spec_embed")
    theirs.load_state_dict({their_name(name): value for name, value in kept.items()}, strict=True)
    return ours.eval(), theirs.eval()


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def close(found, wanted):
    torch.testing.assert_close(found, wanted, atol=TOLERANCE, rtol=0)


# Published combinations first, then the two mixed ones.
VARIANTS = [("layer", True, True), ("group", False, False), ("layer", False, True), ("group", True, False)]


@pytest.mark.parametrize(("norm", "layer_norm_first", "bias"), VARIANTS)
@pytest.mark.parametrize("samples", [400, 720, 9000, 16001])
def test_every_stage_agrees(norm, layer_norm_first, bias, samples):
    ours, theirs = pair(norm, layer_norm_first, bias)
    waveform = noise(2, samples)
    with torch.no_grad():
        features = ours.backbone.encode_features(waveform)
        expected, _ = theirs.feature_extractor(waveform, None)
        close(features, expected)
        latents = ours.backbone.feature_projection.layer_norm(features)
        projected = ours.backbone.feature_projection.projection(latents)
        close(projected, theirs.encoder.feature_projection(expected))
        positions = ours.backbone.encoder.pos_conv_embed(projected)
        close(positions, theirs.encoder.transformer.pos_conv_embed(projected))
        x = projected
        for our_layer, their_layer in zip(ours.backbone.encoder.layers, theirs.encoder.transformer.layers, strict=True):
            wanted, _ = their_layer(x, None)
            close(our_layer(x, None), wanted)
            x = wanted
        logits, _ = ours(waveform)
        close(logits, theirs(waveform)[0])


@pytest.mark.parametrize(("norm", "layer_norm_first", "bias"), VARIANTS)
def test_rows_of_several_lengths_agree_on_their_valid_frames(norm, layer_norm_first, bias):
    """Also with group norm, where the padding takes part in the statistics: in both alike."""
    ours, theirs = pair(norm, layer_norm_first, bias)
    waveform, lengths = noise(3, 9000), torch.tensor([9000, 6000, 400])
    for row, length in enumerate(lengths):
        waveform[row, length:] = 0
    with torch.no_grad():
        logits, frames = ours(waveform, lengths)
        expected, their_frames = theirs(waveform, lengths)
    assert frames.tolist() == their_frames.tolist() == [27, 18, 1]
    for row, count in enumerate(frames):
        close(logits[row, :count], expected[row, :count])


def test_gradients_agree():
    """Of the CTC loss, through the whole network, in both orders of norms."""
    for norm, first, bias in VARIANTS[:2]:
        ours, theirs = pair(norm, first, bias)
        ours.train(), theirs.train()
        ours.train_convolutions = True
        waveform, targets = noise(2, 16000), torch.tensor([[3, 4, 4, 5], [6, 7, 8, 9]])
        lengths = torch.tensor([49, 49]), torch.tensor([4, 4])
        for logits in (ours(waveform)[0], theirs(waveform)[0]):
            log_probs = torch.log_softmax(logits, dim=-1).transpose(0, 1)
            torch.nn.functional.ctc_loss(log_probs, targets, *lengths, reduction="sum").backward()
        wanted = {name: parameter.grad for name, parameter in theirs.named_parameters()}
        checked = 0
        for name, parameter in ours.named_parameters():
            if name.startswith("quantizer") or name.endswith("masked_spec_embed"):
                continue
            expected = wanted[their_name(name)]
            largest = float(expected.abs().max())
            torch.testing.assert_close(parameter.grad, expected, atol=max(1e-4 * largest, 1e-4), rtol=1e-3, msg=name)
            checked += 1
        assert checked == len(wanted)
