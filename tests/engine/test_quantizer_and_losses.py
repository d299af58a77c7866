"""Quantizer, perplexities and losses against values derived by hand or published (reference 10, 12, 13, 23)."""

import math

import numpy as np
import pytest
import torch

from engine.config import ModelConfig, ObjectiveConfig, RunConfig
from engine.model.feature_encoder import ScaleGradient
from engine.model.pretraining import PretrainingModel, PretrainingOutput, compare
from engine.model.quantizer import GumbelQuantizer, perplexity
from engine.training.losses import gumbel_temperature, pretraining_loss


def small_quantizer():
    torch.manual_seed(0)
    return GumbelQuantizer(ModelConfig(conv_channels=(16,) * 7, codebook_entries=10, codevector_dim=12))


def test_perplexity_of_uniform_and_single_codes():
    uniform = torch.full((2, 320), 1 / 320)
    assert float(perplexity(uniform)) == pytest.approx(639.98, abs=0.01)
    single = torch.zeros(2, 320)
    single[:, 7] = 1
    assert float(perplexity(single)) == pytest.approx(2.0, abs=1e-4)


def test_perplexity_of_transformers_unit_test():
    probs = (torch.arange(100.0).reshape(2, 5, 10) / 100).reshape(10, 10)
    shares = probs.view(2, 5, 10).mean(dim=0)
    assert float(perplexity(shares)) == pytest.approx(141.4291, abs=1e-3)


def test_evaluation_takes_the_argmax_rows_in_group_order():
    quantizer = small_quantizer().eval()
    latents = torch.randn(50, 16)
    quantized = quantizer(latents, 2.0)
    book = quantizer.codevectors[0].view(2, 10, 6)
    for row in range(50):
        scores = quantizer.weight_proj(latents[row]).view(2, 10)
        first, second = int(scores[0].argmax()), int(scores[1].argmax())
        assert quantized.code_ids[row].tolist() == [first, second]
        torch.testing.assert_close(quantized.vectors[row], torch.cat((book[0, first], book[1, second])))


def test_training_is_one_hot_forward_and_soft_backward():
    quantizer = small_quantizer().train()
    latents = torch.randn(50, 16, requires_grad=True)
    quantized = quantizer(latents, 2.0)
    rows = {tuple(row.tolist()) for row in quantizer.codevectors[0].detach()}
    for vector in quantized.vectors.detach().view(-1, 6):
        assert min(np.abs(np.array(row) - vector.numpy()).max() for row in rows) < 1e-6
    quantized.vectors.square().sum().backward()
    assert float(latents.grad.abs().sum()) > 0, "targets are not detached from the latents"
    assert (quantizer.weight_proj.weight.grad.abs().sum(dim=1) > 0).all(), "unchosen entries learn as well"


def loss_by_loop(c, q, codes, distractors, temperature):
    total = 0.0
    c, q = c.double().numpy(), q.double().numpy()
    for b in range(len(c)):
        for t in range(c.shape[1]):

            def cosine(other, b=b, t=t):
                return c[b, t] @ q[b, other] / (np.linalg.norm(c[b, t]) * np.linalg.norm(q[b, other]))

            scores = [cosine(t) / temperature]
            for other in distractors[b, t].tolist():
                if codes[b, t].tolist() != codes[b, other].tolist():
                    scores.append(cosine(other) / temperature)
            total += math.log(sum(math.exp(score) for score in scores)) - scores[0]
    return total


def output_of(similarities, prob_perplexity=2.0):
    batch, count, _ = similarities.shape
    zero = torch.tensor(0.0)
    return PretrainingOutput(
        similarities,
        torch.tensor(prob_perplexity),
        zero,
        torch.tensor(0.5),
        torch.zeros(batch, count, 2),
        batch * count,
    )


def test_contrastive_loss_equals_a_float64_loop():
    torch.manual_seed(1)
    codes = torch.randint(0, 3, (2, 9, 2))
    table = torch.randn(3, 3, 8)
    q = table[codes[..., 0], codes[..., 1]]
    c = torch.randn(2, 9, 8)
    distractors = (torch.arange(9)[None, :, None] + torch.randint(1, 9, (2, 9, 20))) % 9
    similarities = compare(c, q, codes, distractors, 0.1)
    loss = pretraining_loss(output_of(similarities), ObjectiveConfig(), 640)
    assert torch.isinf(similarities).any()
    assert float(loss.contrastive) == pytest.approx(loss_by_loop(c, q, codes, distractors, 0.1), rel=1e-5)


def test_chance_level_is_log_of_the_candidates():
    torch.manual_seed(2)
    c, q = torch.randn(4, 100, 256), torch.randn(4, 100, 256)
    codes = torch.arange(400).view(4, 100, 1)
    distractors = (torch.arange(100)[None, :, None] + torch.randint(1, 100, (4, 100, 100))) % 100
    loss = pretraining_loss(output_of(compare(c, q, codes, distractors, 1e3)), ObjectiveConfig(), 640)
    assert float(loss.contrastive) / 400 == pytest.approx(math.log(101), abs=1e-3)


def test_a_collapsed_codebook_shows_zero_loss_and_no_gradient():
    c = torch.randn(1, 5, 8, requires_grad=True)
    q = torch.ones(1, 5, 8)
    codes = torch.zeros(1, 5, 2)
    distractors = (torch.arange(5)[None, :, None] + 1).expand(1, 5, 3) % 5
    loss = pretraining_loss(output_of(compare(c, q, codes, distractors, 0.1)), ObjectiveConfig(), 640)
    loss.contrastive.backward()
    assert loss.contrastive.item() == 0
    assert float(c.grad.abs().max()) == 0
    assert float(loss.accuracy) == 1


def test_diversity_and_penalty_are_scaled_by_the_masked_frames():
    similarities = torch.randn(2, 7, 4)
    loss = pretraining_loss(output_of(similarities, 160.0), ObjectiveConfig(penalty_weight=10), 640)
    assert float(loss.diversity) == pytest.approx(0.1 * 14 * 0.75)
    assert float(loss.penalty) == pytest.approx(10 * 14 * 0.5)


@pytest.mark.parametrize(
    ("update", "value"), [(0, 2), (10_000, 1.902459), (100_000, 1.213060), (200_000, 0.735757), (400_000, 0.5)]
)
def test_gumbel_temperature_schedule(update, value):
    assert gumbel_temperature(update, ObjectiveConfig()) == pytest.approx(value, abs=1e-6)


def test_scaled_gradient():
    x = torch.ones(3, requires_grad=True)
    ScaleGradient.apply(x, 0.1).sum().backward()
    torch.testing.assert_close(x.grad, torch.full((3,), 0.1))


def test_centering_brings_more_codes_into_use():
    torch.manual_seed(0)
    sizes = {"conv_channels": (32,) * 7, "embed_dim": 32, "layers": 1, "heads": 4, "position_groups": 4}
    model = PretrainingModel(RunConfig(model=ModelConfig(**sizes, codebook_entries=64, codevector_dim=32))).eval()
    loudness = torch.rand(4, 16, 1, generator=torch.Generator().manual_seed(2)).expand(4, 16, 1000).reshape(4, 16000)
    waveform = torch.randn(4, 16000, generator=torch.Generator().manual_seed(1)) * loudness
    latents = model.wav2vec2.feature_projection.layer_norm(model.wav2vec2.encode_features(waveform)).flatten(0, 1)
    before = model.quantizer(latents, 2.0).code_perplexity.item()
    model.center_codes(waveform)
    torch.testing.assert_close(model.quantizer.logits(latents).mean(dim=0), torch.zeros(2, 64), atol=1e-3, rtol=0)
    assert model.quantizer(latents, 2.0).code_perplexity.item() > 2 * before
