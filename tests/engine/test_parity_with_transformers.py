"""The whole model against transformers with the same random weights: it shares no line with ours."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining

from engine.config import DropoutConfig, ModelConfig, ObjectiveConfig, RunConfig
from engine.masking import draw_distractors, draw_time_mask
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.training.losses import ctc_loss, pretraining_loss

NO_DROPOUT = DropoutConfig(**{field.name: 0.0 for field in dataclasses.fields(DropoutConfig)})
TOLERANCE = 1e-5
NORMS = ["layer", "group"]
LN_ORDERS = {"layer": True, "group": False}


def our_config(norm):
    model = ModelConfig(
        feature_norm=norm,
        conv_channels=(32,) * 7,
        conv_bias=norm == "layer",
        layer_norm_first=LN_ORDERS[norm],
        embed_dim=48,
        ffn_dim=64,
        layers=3,
        heads=4,
        position_kernel=16,
        position_groups=4,
        codebook_entries=8,
        codevector_dim=32,
        final_dim=24,
    )
    return RunConfig(model=model, dropout=NO_DROPOUT, objective=ObjectiveConfig(negatives=5))


def their_config(norm):
    zero = dict.fromkeys([name for name in vars(Wav2Vec2Config()) if "dropout" in name and "prob" not in name], 0.0)
    zero["layerdrop"] = 0.0
    return Wav2Vec2Config(
        feat_extract_norm=norm,
        conv_dim=(32,) * 7,
        conv_bias=norm == "layer",
        do_stable_layer_norm=LN_ORDERS[norm],
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        num_codevectors_per_group=8,
        num_codevector_groups=2,
        codevector_dim=32,
        proj_codevector_dim=24,
        num_negatives=5,
        vocab_size=32,
        ctc_loss_reduction="sum",
        ctc_zero_infinity=True,
        attn_implementation="eager",
        **zero,
    )


def randomize(model, seed=0):
    """Norms and biases too, or swapped ones would go unseen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("original0"):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).abs())
            elif parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def their_name(name):
    """Our parameter names follow transformers', save for prefixes and the CTC head."""
    if name.startswith("head."):
        return "lm_head." + name.removeprefix("head.")
    return name.replace("backbone.", "wav2vec2.")


def pair_for_pretraining(norm, seed=0):
    torch.manual_seed(seed)
    ours = randomize(PretrainingModel(our_config(norm)))
    theirs = Wav2Vec2ForPreTraining(their_config(norm))
    theirs.load_state_dict({their_name(name): value for name, value in ours.state_dict().items()}, strict=True)
    return ours, theirs


def pair_for_ctc(norm, seed=0):
    torch.manual_seed(seed)
    ours = randomize(CtcModel(our_config(norm), 32))
    theirs = Wav2Vec2ForCTC(their_config(norm))
    weights = {their_name(name): value for name, value in ours.state_dict().items() if not name.startswith("quantizer")}
    theirs.load_state_dict(weights, strict=True)
    return ours, theirs


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("samples", [400, 719, 720, 9000, 16001])
def test_every_stage_agrees(norm, samples):
    ours, theirs = pair_for_ctc(norm)
    ours.eval(), theirs.eval()
    waveform = noise(2, samples)
    with torch.no_grad():
        features = ours.backbone.encode_features(waveform)
        expected_features = theirs.wav2vec2.feature_extractor(waveform).transpose(1, 2)
        torch.testing.assert_close(features, expected_features, atol=TOLERANCE, rtol=0)
        latents = ours.backbone.feature_projection.layer_norm(features)
        projected, normed = theirs.wav2vec2.feature_projection(expected_features)
        torch.testing.assert_close(latents, normed, atol=TOLERANCE, rtol=0)
        positions = ours.backbone.encoder.pos_conv_embed(projected)
        torch.testing.assert_close(positions, theirs.wav2vec2.encoder.pos_conv_embed(projected), atol=TOLERANCE, rtol=0)
        logits, _ = ours(waveform)
        torch.testing.assert_close(logits, theirs(waveform).logits, atol=TOLERANCE, rtol=0)


def test_padded_rows_agree_on_valid_frames():
    ours, theirs = pair_for_ctc("layer")
    ours.eval(), theirs.eval()
    waveform, lengths = noise(2, 9000), torch.tensor([9000, 6000])
    waveform[1, 6000:] = 0
    attention = torch.arange(9000)[None] < lengths[:, None]
    with torch.no_grad():
        logits, frames = ours(waveform, lengths)
        expected = theirs(waveform, attention_mask=attention.long()).logits
    assert frames.tolist() == [27, 18]
    torch.testing.assert_close(logits[0], expected[0], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(logits[1, :18], expected[1, :18], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_pretraining_loss_agrees(norm):
    ours, theirs = pair_for_pretraining(norm)
    ours.eval(), theirs.eval()
    waveform = noise(2, 32000)
    frames = ours.wav2vec2.config.frame_count(32000)
    rng = np.random.default_rng(0)
    mask = draw_time_mask(np.array([frames, frames]), 0.65, 10, rng, equalize=True)
    distractors = draw_distractors(mask, 5, rng)
    with torch.no_grad():
        output = ours(waveform, torch.from_numpy(mask), torch.from_numpy(distractors), 2.0)
        loss = pretraining_loss(output, ours.objective, 16)
        expected = theirs(
            waveform,
            mask_time_indices=torch.from_numpy(mask),
            sampled_negative_indices=torch.from_numpy(flat_frames(mask, distractors)),
        )
    assert torch.isinf(output.similarities).any(), "the case should hold distractors equal to their target"
    assert float(loss.contrastive) == pytest.approx(float(expected.contrastive_loss), rel=2e-5)


def flat_frames(mask, distractors):
    """transformers' negatives address the flattened (batch x frames) sequence, one row for every frame."""
    batch, frames = mask.shape
    indices = np.zeros((batch, frames, distractors.shape[-1]), dtype=np.int64)
    for row in range(batch):
        masked = np.flatnonzero(mask[row])
        indices[row, masked] = masked[distractors[row]] + row * frames
        unmasked = np.flatnonzero(~mask[row])
        indices[row, unmasked] = row * frames + (unmasked[:, None] + 1) % frames
    return indices


@pytest.mark.parametrize("norm", NORMS)
def test_pretraining_gradients_agree(norm, monkeypatch):
    """With the Gumbel noise fixed to zero on both sides, in training mode, through both loss terms."""
    ours, theirs = pair_for_pretraining(norm)
    ours.train(), theirs.train()

    def soft_choice(logits, tau=1.0, hard=False, dim=-1):
        soft = torch.softmax(logits / tau, dim=dim)
        chosen = torch.nn.functional.one_hot(soft.argmax(dim=dim), soft.shape[dim]).to(soft)
        return chosen - soft.detach() + soft

    monkeypatch.setattr(torch.nn.functional, "gumbel_softmax", soft_choice)
    monkeypatch.setattr("engine.model.quantizer.F.gumbel_softmax", soft_choice)
    waveform = noise(2, 32000, seed=3)
    frames = ours.wav2vec2.config.frame_count(32000)
    rng = np.random.default_rng(1)
    mask = draw_time_mask(np.array([frames, frames]), 0.65, 10, rng, equalize=True)
    distractors = draw_distractors(mask, 5, rng)
    output = ours(waveform, torch.from_numpy(mask), torch.from_numpy(distractors), 2.0)
    loss = pretraining_loss(output, ours.objective, 16)
    loss.total.backward()
    expected = theirs(
        waveform,
        mask_time_indices=torch.from_numpy(mask),
        sampled_negative_indices=torch.from_numpy(flat_frames(mask, distractors)),
    )
    expected.loss.backward()
    assert loss.total.item() == pytest.approx(expected.loss.item(), rel=2e-5)
    their_gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    checked = 0
    for name, parameter in ours.named_parameters():
        wanted = their_gradients[their_name(name)]
        assert parameter.grad is not None, name
        scale = float(wanted.abs().max())
        torch.testing.assert_close(parameter.grad, wanted, atol=max(2e-4 * scale, 2e-4), rtol=1e-3, msg=name)
        checked += 1
    assert checked == len(their_gradients)


@pytest.mark.parametrize("norm", NORMS)
def test_ctc_loss_agrees(norm):
    ours, theirs = pair_for_ctc(norm)
    ours.eval(), theirs.eval()
    waveform = noise(2, 16000)
    labels = torch.tensor([[5, 6, 6, 7], [8, 9, -100, -100]])
    with torch.no_grad():
        logits, frames = ours(waveform)
        targets = labels.clamp(min=0)
        loss = ctc_loss(logits, frames, targets, torch.tensor([4, 2]), blank=0)
        expected = theirs(waveform, labels=labels).loss
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_published_parameter_counts():
    """Reference section 9: BASE with its pre-training heads, and the encoder alone."""
    base = RunConfig(
        model=ModelConfig(feature_norm="group", conv_bias=False, layer_norm_first=False),
    )
    with torch.device("meta"):
        model = PretrainingModel(base)
    assert sum(parameter.numel() for parameter in model.parameters()) == 95_044_608
    assert sum(parameter.numel() for parameter in model.wav2vec2.parameters()) == 94_371_712
