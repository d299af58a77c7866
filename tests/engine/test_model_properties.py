"""Properties that hold without a reference model (reference section 23)."""

import numpy as np
import pytest
import torch

from engine.config import CtcConfig, DropoutConfig, MaskingConfig, ModelConfig, ObjectiveConfig, RunConfig
from engine.masking import draw_distractors, draw_time_mask
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.model.wav2vec2 import Wav2Vec2
from engine.text.vocabulary import Vocabulary
from engine.training.checkpoint import Checkpoint, ctc_from_pretraining

QUIET = DropoutConfig(0, 0, 0, 0, 0, 0, 0)


def small(norm="layer", **changes):
    sizes = {
        "conv_channels": (16,) * 7,
        "embed_dim": 32,
        "ffn_dim": 48,
        "layers": 2,
        "heads": 4,
        "position_kernel": 128,
        "position_groups": 4,
        "codebook_entries": 12,
        "codevector_dim": 16,
        "final_dim": 16,
    }
    return ModelConfig(feature_norm=norm, layer_norm_first=norm == "layer", **(sizes | changes))


def test_frame_formula_is_what_the_convolutions_give():
    config = small()
    model = Wav2Vec2(config, QUIET).eval()
    for samples in [*range(400, 1500, 7), 719, 720, 16000, 16001, 47999]:
        with torch.no_grad():
            frames = model.encode_features(torch.zeros(1, samples)).shape[1]
        assert frames == (samples - 400) // 320 + 1 == config.frame_count(samples)
        assert model.frame_lengths(torch.tensor([samples])).tolist() == [frames]
    assert config.frame_count(399) == 0
    with pytest.raises(RuntimeError):
        model.encode_features(torch.zeros(1, 399))


@pytest.mark.parametrize("tail", ["zeros", "noise"])
def test_padding_changes_nothing_in_a_layer_norm_model(tail):
    torch.manual_seed(0)
    model = CtcModel(RunConfig(model=small(), dropout=QUIET), 32).eval()
    waveform = torch.randn(1, 16000)
    more = torch.zeros(1, 16000) if tail == "zeros" else torch.randn(1, 16000)
    with torch.no_grad():
        alone, _ = model(waveform)
        padded, frames = model(torch.cat((waveform, more), dim=1), torch.tensor([16000]))
    assert frames.tolist() == [49]
    torch.testing.assert_close(padded[:, :49], alone, atol=1e-4, rtol=0)


def test_a_row_without_a_frame_gives_numbers_not_nan():
    model = CtcModel(RunConfig(model=small(), dropout=QUIET), 32).eval()
    with torch.no_grad():
        logits, frames = model(torch.randn(2, 8000), torch.tensor([8000, 300]))
    assert frames.tolist() == [24, 0]
    assert torch.isfinite(logits).all()


def test_group_norm_removes_a_constant():
    torch.manual_seed(0)
    model = Wav2Vec2(small("group", conv_bias=False), QUIET).eval()
    waveform = torch.randn(1, 16000)
    with torch.no_grad():
        change = model(waveform + 0.5).contexts - model(waveform).contexts
    assert float(change.abs().max()) < 1e-4


def test_normalized_waveforms_remove_scale_and_offset():
    torch.manual_seed(0)
    model = Wav2Vec2(small(normalize_waveform=True), QUIET).eval()
    waveform = torch.randn(2, 16000)
    with torch.no_grad():
        plain = model(waveform).contexts
        torch.testing.assert_close(model(3 * waveform + 1).contexts, plain, atol=1e-3, rtol=0)
        lengths = torch.tensor([16000, 9000])
        short = model(waveform[1:, :9000]).contexts
        padded = model(waveform, lengths).contexts[1:, : short.shape[1]]
    torch.testing.assert_close(padded, short, atol=1e-4, rtol=0)


def test_positions_reach_64_frames_back_and_63_ahead():
    convolution = Wav2Vec2(small(), QUIET).eval().encoder.pos_conv_embed
    base, impulse = torch.zeros(1, 300, 32), torch.zeros(1, 300, 32)
    impulse[0, 150] = 1
    with torch.no_grad():
        changed = (convolution(impulse) - convolution(base)).abs().sum(dim=-1)[0] > 0
    assert changed.nonzero().flatten().tolist() == list(range(87, 215))


def pretraining_gradients(grad_mult):
    torch.manual_seed(0)
    config = RunConfig(
        model=small(), dropout=QUIET, objective=ObjectiveConfig(negatives=5, feature_grad_mult=grad_mult)
    )
    model = PretrainingModel(config).eval()
    rng = np.random.default_rng(0)
    mask = draw_time_mask(np.array([49, 49]), 0.65, 10, rng, equalize=True)
    picks = draw_distractors(mask, 5, rng)
    waveform = torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
    output = model(waveform, torch.from_numpy(mask), torch.from_numpy(picks), 2.0)
    output.similarities.logsumexp(-1).sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_feature_gradients_are_scaled_and_no_others():
    full, scaled = pretraining_gradients(1.0), pretraining_gradients(0.1)
    for name, gradient in full.items():
        factor = 0.1 if "feature_extractor" in name else 1.0
        torch.testing.assert_close(scaled[name], factor * gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_layerdrop_of_one_is_an_encoder_without_layers():
    torch.manual_seed(0)
    config = small()
    all_dropped = Wav2Vec2(config, DropoutConfig(0, 0, 0, 0, 0, 0, 1.0)).train()
    none = Wav2Vec2(small(layers=1), QUIET).train()
    none.encoder.layers = torch.nn.ModuleList()
    none.load_state_dict({k: v for k, v in all_dropped.state_dict().items() if ".layers." not in k})
    waveform = torch.randn(1, 8000)
    torch.testing.assert_close(all_dropped(waveform).contexts, none(waveform).contexts)


@pytest.mark.parametrize("train_convolutions", [False, True])
def test_codes_keep_their_meaning_in_fine_tuning(train_convolutions):
    torch.manual_seed(0)
    before = PretrainingModel(RunConfig(model=small(), dropout=QUIET)).eval()
    ctc = CtcConfig(train_convolutions=train_convolutions)
    config = RunConfig(task="finetune", model=small(), dropout=QUIET, ctc=ctc)
    start = Checkpoint(RunConfig(model=small(), dropout=QUIET), 1, before.state_dict())
    model = ctc_from_pretraining(config, start, Vocabulary.english())
    waveform = torch.randn(2, 16000)
    with torch.no_grad():
        features = before.wav2vec2.encode_features(waveform)
        expected = before.quantizer.logits(before.wav2vec2.feature_projection.layer_norm(features))
    torch.testing.assert_close(model.code_logits(waveform), expected)
    model.freeze_for(0, ctc)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model(waveform)[0].square().sum().backward()
    optimizer.step()
    torch.testing.assert_close(model.code_logits(waveform), expected)
    assert model.convolutions_are_pretrained() is not train_convolutions


def test_freezing_follows_the_recipe():
    config = RunConfig(task="finetune", model=small(), masking=MaskingConfig())
    model = CtcModel(config, 32)
    ctc = type(config.ctc)(freeze_updates=10)

    def learning(step):
        model.freeze_for(step, ctc)
        return {
            name.split(".")[0] + "." + name.split(".")[1] for name, p in model.named_parameters() if p.requires_grad
        }

    assert learning(0) == {"head.weight", "head.bias"}
    after = learning(10)
    assert "backbone.feature_projection" in after
    assert "backbone.encoder" in after
    assert "backbone.feature_extractor" not in after
    assert not any(name.startswith("quantizer") for name in after)
