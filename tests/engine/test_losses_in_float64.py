"""Whole losses again in numpy float64 from the weights' outputs (reference sections 10, 12, 13, 16), and the draws."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from engine.config import CtcConfig, DropoutConfig, ModelConfig, ObjectiveConfig, RunConfig
from engine.masking import draw_distractors, draw_spans, draw_time_mask
from engine.model.context_network import ContextNetwork
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.training.losses import ctc_loss, pretraining_loss, prior_weight

NO_DROPOUT = DropoutConfig(**{field.name: 0.0 for field in dataclasses.fields(DropoutConfig)})


def sizes(norm="layer", **changes):
    values = {
        "feature_norm": norm,
        "conv_channels": (32,) * 7,
        "conv_bias": norm == "layer",
        "layer_norm_first": norm == "layer",
        "embed_dim": 48,
        "ffn_dim": 64,
        "layers": 2,
        "heads": 4,
        "position_kernel": 16,
        "position_groups": 4,
        "codebook_entries": 8,
        "codevector_dim": 32,
        "final_dim": 24,
    }
    return ModelConfig(**(values | changes))


def double(tensor):
    return tensor.detach().double().numpy()


def soft(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_the_whole_pretraining_loss(norm):
    objective = ObjectiveConfig(
        negatives=20, penalty_weight=10.0 if norm == "group" else 0.0, feature_grad_mult=0.1, diversity_weight=0.1
    )
    torch.manual_seed(0)
    model = PretrainingModel(RunConfig(model=sizes(norm), dropout=NO_DROPOUT, objective=objective)).eval()
    waveform = torch.randn(3, 24000)
    frames = model.wav2vec2.config.frame_count(24000)
    rng = np.random.default_rng(3)
    mask = draw_time_mask(np.full(3, frames), 0.65, 10, rng, equalize=True)
    distractors = draw_distractors(mask, 20, rng)
    with torch.no_grad():
        output = model(waveform, torch.from_numpy(mask), torch.from_numpy(distractors), 2.0)
        loss = pretraining_loss(output, objective, 16)
        states = model.wav2vec2(waveform, time_mask=torch.from_numpy(mask))
        contexts = double(model.project_hid(states.contexts))
        logits = double(model.quantizer.weight_proj(states.latents)).reshape(3, frames, 2, 8)
    book = double(model.quantizer.codevectors).reshape(2, 8, 16)
    weight, bias = double(model.project_q.weight), double(model.project_q.bias)

    contrastive, right, masked = 0.0, 0, 0
    shares = []
    for row in range(3):
        places = np.flatnonzero(mask[row])
        chosen = logits[row, places].argmax(axis=-1)
        targets = np.concatenate([book[group, chosen[:, group]] for group in (0, 1)], axis=-1) @ weight.T + bias
        shares.append(soft(logits[row, places]))
        for index, place in enumerate(places):
            c = contexts[row, place]
            scores = []
            for other in (index, *distractors[row, index]):
                same = other != index and (chosen[other] == chosen[index]).all()
                cosine = c @ targets[other] / (np.linalg.norm(c) * np.linalg.norm(targets[other]))
                scores.append(-math.inf if same else cosine / 0.1)
            contrastive += math.log(sum(math.exp(score) for score in scores)) - scores[0]
            right += scores[0] > max(scores[1:])
            masked += 1
    mean = np.concatenate(shares).mean(axis=0)
    perplexity = sum(math.exp(-(p * np.log(p + 1e-7)).sum()) for p in mean)
    diversity = 0.1 * masked * (16 - perplexity) / 16
    penalty = objective.penalty_weight * masked * float((double(states.features) ** 2).mean())
    assert loss.masked == masked
    assert float(loss.contrastive) == pytest.approx(contrastive, rel=1e-5)
    assert float(loss.diversity) == pytest.approx(diversity, rel=1e-5)
    assert float(loss.penalty) == pytest.approx(penalty, rel=1e-5)
    assert float(loss.total) == pytest.approx(contrastive + diversity + penalty, rel=1e-5)
    assert float(loss.accuracy) == pytest.approx(right / masked, abs=1e-6)


def ctc_by_paths(logits, target, blank):
    """-log of the sum over all paths, by the forward recursion over the target with blanks between its letters."""
    return ctc_of_scores(soft(logits), target, blank)


def ctc_of_scores(probabilities, target, blank):
    """The same for scores of each frame (frames, tokens), which need not sum to 1."""
    labels = [blank]
    for letter in target:
        labels += [letter, blank]
    alpha = np.zeros(len(labels))
    alpha[:2] = [probabilities[0, label] for label in labels[:2]]
    for frame in probabilities[1:]:
        following = np.zeros(len(labels))
        for place, label in enumerate(labels):
            reach = alpha[place] + (alpha[place - 1] if place else 0.0)
            if place > 1 and label not in (blank, labels[place - 2]):
                reach += alpha[place - 2]
            following[place] = reach * frame[label]
        alpha = following
    total = alpha[-1] + (alpha[-2] if len(labels) > 1 else 0.0)
    return -math.log(total) if total > 0 else math.inf


@pytest.mark.parametrize("blank", [0, 5])
def test_ctc_over_all_paths(blank):
    """Three rows: with a repeat, shorter than the batch, and one that no path can spell, which counts as nothing."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(3, 12, 6)) * 2
    frames, targets = [12, 7, 2], [[1, 2, 2, 3], [4, 1], [3, 3]]
    wanted = [
        ctc_by_paths(row[:count], target, blank) for row, count, target in zip(logits, frames, targets, strict=True)
    ]
    assert math.isinf(wanted[2]), "AA needs three frames"
    padded = torch.tensor([[*target, *[1] * (4 - len(target))] for target in targets])
    found = ctc_loss(
        torch.from_numpy(logits).float(), torch.tensor(frames), padded, torch.tensor([4, 2, 2]), blank=blank
    )
    assert float(found) == pytest.approx(wanted[0] + wanted[1], rel=1e-5)
    enough = ctc_loss(torch.from_numpy(logits[2:, :3]).float(), torch.tensor([3]), padded[2:], torch.tensor([2]), blank)
    assert float(enough) == pytest.approx(ctc_by_paths(logits[2, :3], [3, 3], blank), rel=1e-5)


def test_ctc_with_priors_over_all_paths():
    """Scores are p(token | frame) / p(token)^0.7; loss and gradient by brute force and by small steps."""
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(3, 9, 5)) * 2
    logits[..., 0] += 3
    frames, targets = [9, 6, 2], [[1, 2, 2], [4], [3, 3]]

    def by_paths(moved, prior):
        parts = [soft(row[:count]) / prior**0.7 for row, count in zip(moved, frames, strict=True)]
        return sum(ctc_of_scores(part, target, 0) for part, target in zip(parts[:2], targets[:2], strict=True))

    prior = np.concatenate([soft(row[:count]) for row, count in zip(logits, frames, strict=True)]).mean(axis=0)
    tensor = torch.from_numpy(logits).float().requires_grad_()
    padded = torch.tensor([[1, 2, 2], [4, 1, 1], [3, 3, 1]])
    found = ctc_loss(tensor, torch.tensor(frames), padded, torch.tensor([3, 1, 2]), blank=0, prior_weight=0.7)
    assert found.item() == pytest.approx(by_paths(logits, prior), rel=1e-5)
    found.backward()
    for place in [(0, 0, 0), (0, 3, 2), (0, 8, 4), (1, 2, 0), (1, 5, 1), (1, 7, 0), (2, 1, 3)]:
        up, down = logits.copy(), logits.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slope = (by_paths(up, prior) - by_paths(down, prior)) / 2e-5
        assert float(tensor.grad[place]) == pytest.approx(slope, abs=1e-4), place


def test_the_weight_of_the_prior_falls_evenly():
    assert [prior_weight(step, CtcConfig(prior_weight=0.6, prior_updates=3)) for step in range(5)] == pytest.approx(
        [0.6, 0.4, 0.2, 0, 0]
    )
    assert prior_weight(10**6, CtcConfig(prior_weight=0.6)) == 0.6
    assert prior_weight(0, CtcConfig()) == 0


# Draws, over thousands


@pytest.mark.parametrize(("prob", "share"), [(0.5, 0.402), (0.65, 0.491), (0.75, 0.542)])
def test_masked_share_of_other_probabilities(prob, share):
    rng = np.random.default_rng(0)
    rows = [draw_spans(749, prob, 10, rng, min_spans=2) for _ in range(2000)]
    assert np.mean(rows) == pytest.approx(share, abs=0.005)
    assert np.std([row.mean() for row in rows]) == pytest.approx(0.023, abs=0.004)


def test_the_number_of_spans_is_rounded_at_random():
    """One frame in each span makes them countable: 2.6 on average is 2 or 3, and never less than two."""
    rng = np.random.default_rng(1)
    counts = np.array([draw_spans(40, 0.065, 1, rng, min_spans=2).sum() for _ in range(4000)])
    assert set(counts) == {2, 3}
    assert counts.mean() == pytest.approx(2.6, abs=0.03)
    assert min(draw_spans(13, 0.65, 10, rng, min_spans=2).sum() for _ in range(2000)) > 10, "two starts, or more"


def test_starts_are_uniform():
    rng = np.random.default_rng(2)
    counts = sum(draw_spans(51, 0.1, 1, rng).astype(int) for _ in range(6_000))
    assert counts[-1] == 0
    expected = counts.sum() / 50
    assert ((counts[:-1] - expected) ** 2 / expected).sum() < 102, "chi-square, 49 degrees of freedom, p = 1e-5"


# How weights begin (reference sections 3, 5, 8), and which layers are left out


@torch.no_grad()
def test_initial_weights():
    torch.manual_seed(0)
    run = RunConfig(
        model=sizes(
            "layer", conv_channels=(128,) * 7, embed_dim=192, ffn_dim=512, position_kernel=64, position_groups=4
        )
    )
    model = PretrainingModel(run)
    network = model.wav2vec2
    for block in network.feature_extractor.conv_layers:
        fan = block.conv.weight[0].numel()
        assert float(block.conv.weight.std()) == pytest.approx(math.sqrt(2 / fan), rel=0.08)
        assert float(block.conv.bias.abs().max()) <= 1 / math.sqrt(fan)
    positions = network.encoder.pos_conv_embed.conv
    assert float(positions.weight.std()) == pytest.approx(math.sqrt(4 / (64 * 192)), rel=0.02)
    assert not positions.bias.any()
    direction = positions.parametrizations.weight.original1
    torch.testing.assert_close(
        positions.parametrizations.weight.original0, direction.square().sum(dim=(0, 1), keepdim=True).sqrt()
    )
    for layer in network.encoder.layers:
        linears = [module for module in layer.modules() if isinstance(module, torch.nn.Linear)]
        assert len(linears) == 6
        for linear in linears:
            assert float(linear.weight.std()) == pytest.approx(0.02, rel=0.05)
            assert not linear.bias.any()
    for linear in (network.feature_projection.projection, model.project_q, model.project_hid):
        bound = 1 / math.sqrt(linear.in_features)
        assert bound * 0.9 < float(linear.weight.abs().max()) <= bound
        assert float(linear.weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert 0 < float(linear.bias.abs().max()) <= bound
    for uniform in (network.masked_spec_embed, model.quantizer.codevectors):
        assert 0 <= float(uniform.min()) < 0.1
        assert 0.9 < float(uniform.max()) < 1
    assert float(model.quantizer.weight_proj.weight.std()) == pytest.approx(1.0, rel=0.05)
    assert not model.quantizer.weight_proj.bias.any()
    head = CtcModel(run, 32).head
    bound = math.sqrt(6 / (192 + 32))
    assert bound * 0.95 < float(head.weight.abs().max()) <= bound
    assert not head.bias.any()


class Counted(torch.nn.Module):
    """Stands in for a layer: costs nothing and counts its runs."""

    def __init__(self):
        super().__init__()
        self.runs = []

    def forward(self, x, key_mask):
        self.runs.append(True)
        return x


def test_layers_are_left_out_each_by_itself():
    """With a chance of 0.3 each, over two thousand passes; and never outside training."""
    torch.manual_seed(0)
    drops = dataclasses.replace(NO_DROPOUT, layerdrop=0.3)
    network = ContextNetwork(sizes("layer", layers=4, embed_dim=16, heads=2, ffn_dim=16), drops).train()
    network.pos_conv_embed = torch.nn.Identity()
    network.layers = torch.nn.ModuleList(Counted() for _ in range(4))
    x, ran = torch.zeros(1, 3, 16), []
    for _ in range(2000):
        before = [len(layer.runs) for layer in network.layers]
        network(x)
        ran.append([len(layer.runs) - count for layer, count in zip(network.layers, before, strict=True)])
    found = np.array(ran)
    assert found.mean(axis=0) == pytest.approx(np.full(4, 0.7), abs=0.04)
    assert np.abs(np.corrcoef(found.T) - np.eye(4)).max() < 0.09
    before = [len(layer.runs) for layer in network.layers]
    network.eval()(x)
    assert [len(layer.runs) for layer in network.layers] == [count + 1 for count in before]


def test_a_repeated_batch_doubles_the_loss_and_keeps_the_update():
    objective = ObjectiveConfig(negatives=10)
    torch.manual_seed(0)
    model = PretrainingModel(RunConfig(model=sizes(), dropout=NO_DROPOUT, objective=objective)).eval()
    waveform = torch.randn(2, 16000)
    rng = np.random.default_rng(0)
    mask = draw_time_mask(np.full(2, 49), 0.65, 10, rng, equalize=True)
    distractors = draw_distractors(mask, 10, rng)
    gradients, losses = [], []
    for times in (1, 2):
        model.zero_grad()
        output = model(
            waveform.repeat(times, 1),
            torch.from_numpy(np.tile(mask, (times, 1))),
            torch.from_numpy(np.tile(distractors, (times, 1, 1))),
            2.0,
        )
        loss = pretraining_loss(output, objective, 16)
        (loss.total / loss.masked).backward()
        losses.append(float(loss.total))
        gradients.append(model.project_hid.weight.grad.clone())
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-4)
