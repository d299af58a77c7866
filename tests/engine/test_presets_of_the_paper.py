"""Every recipe of the reference (sections 9, 14, 15) against numbers re-derived here by hand, not by the engine."""

import math

import pytest
import torch

from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.presets import load_preset, preset_names
from engine.training.losses import gumbel_temperature
from engine.training.optimizer import learning_rate

PRETRAINING = {
    # samples of all workers in an update, crop in samples, updates, peak, least temperature, penalty, gradient, drops
    "base-pretrain": (64 * 1_400_000, 250_000, 400_000, 5e-4, 0.5, 10.0, 0.1, 0.1, 0.05),
    "large-pretrain": (128 * 1_200_000, 320_000, 250_000, 3e-4, 0.1, 10.0, 0.1, 0.1, 0.2),
    "large-lv60-pretrain": (128 * 1_200_000, 320_000, 600_000, 3e-4, 0.1, 0.0, 1.0, 0.0, 0.0),
}
FINETUNING = {
    # updates, peak, workers x accumulation x samples, freeze, time masks, channel masks, layer drop: the table of 15
    "base-finetune-10min": (13_000, 5e-5, 2 * 4 * 3_200_000, 10_000, 0.65, 0.25, 0.1),
    "base-finetune-1h": (13_000, 5e-5, 2 * 4 * 3_200_000, 10_000, 0.65, 0.25, 0.1),
    "base-finetune-10h": (20_000, 5e-5, 2 * 4 * 3_200_000, 10_000, 0.65, 0.5, 0.05),
    "base-finetune-100h": (80_000, 3e-5, 2 * 4 * 3_200_000, 0, 0.65, 0.5, 0.1),
    "base-finetune-960h": (320_000, 1e-4, 8 * 1 * 3_200_000, 0, 0.5, 0.1, 0.1),
    "large-lv60-finetune-10min": (13_000, 1e-4, 4 * 5 * 1_280_000, 10_000, 0.65, 0.25, 0.1),
    "large-lv60-finetune-1h": (13_000, 3e-4, 4 * 5 * 1_280_000, 10_000, 0.75, 0.25, 0.1),
    "large-lv60-finetune-10h": (20_000, 1e-4, 4 * 5 * 1_280_000, 10_000, 0.75, 0.25, 0.1),
    "large-lv60-finetune-100h": (80_000, 3e-5, 4 * 5 * 1_280_000, 10_000, 0.5, 0.5, 0.1),
    "large-lv60-finetune-960h": (320_000, 3e-5, 24 * 1 * 1_280_000, 10_000, 0.5, 0.25, 0.1),
}
PUBLISHED_WER = {
    "base-finetune-10min": "46.9 % / 50.9 %",
    "base-finetune-1h": "24.5 % / 29.7 %",
    "base-finetune-10h": "11.1 % / 17.6 %",
    "base-finetune-100h": "6.1 % / 13.3 %",
    "base-finetune-960h": "3.4 % / 8.5 %",
    "large-lv60-finetune-10min": "40.2 % / 38.7 %",
    "large-lv60-finetune-1h": "17.2 % / 20.3 %",
    "large-lv60-finetune-10h": "6.3 % / 10.0 %",
    "large-lv60-finetune-100h": "3.1 % / 6.3 %",
    "large-lv60-finetune-960h": "2.2 % / 4.5 %",
}
PARAMETERS = {
    # whole pre-training model, encoder with mask embedding: section 9
    "base-pretrain": (95_044_608, 94_371_712),
    "large-pretrain": (317_380_864, 315_428_992),
    "large-lv60-pretrain": (317_390_592, 315_438_720),
}
WITH_HEAD = {
    "base-finetune-100h": 94_396_320,
    "large-lv60-finetune-100h": 315_471_520,
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_setting_of_the_reference_has_a_preset():
    assert set(PRETRAINING) | set(FINETUNING) <= set(preset_names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_pretraining(name):
    with torch.device("meta"):
        model = PretrainingModel(load_preset(name))
    assert (count(model), count(model.wav2vec2)) == PARAMETERS[name]


@pytest.mark.parametrize("name", WITH_HEAD)
def test_parameters_with_a_head_of_32(name):
    with torch.device("meta"):
        model = CtcModel(load_preset(name), 32)
    assert count(model.backbone) + count(model.head) == WITH_HEAD[name]


@pytest.mark.parametrize("name", PRETRAINING)
def test_pretraining_recipes(name):
    preset = load_preset(name)
    samples, crop, updates, peak, least, penalty, gradient, drop, layerdrop = PRETRAINING[name]
    assert preset.task == "pretrain"
    assert preset.loop.batch_s * preset.loop.accumulate * 16000 == samples
    assert (preset.data.crop_s * 16000, preset.data.min_s * 16000) == (crop, 32_000)
    assert (preset.loop.updates, preset.optimizer.peak_lr) == (updates, peak)
    assert (preset.optimizer.betas, preset.optimizer.eps) == ((0.9, 0.98), 1e-6)
    assert (preset.optimizer.weight_decay, preset.optimizer.clip_norm) == (0.01, 0.0)
    objective = preset.objective
    assert (objective.negatives, objective.logit_temperature, objective.diversity_weight) == (100, 0.1, 0.1)
    assert (objective.gumbel_start, objective.gumbel_min, objective.gumbel_decay) == (2.0, least, 0.999995)
    assert (objective.penalty_weight, objective.feature_grad_mult) == (penalty, gradient)
    assert not objective.center_codes
    drops = preset.dropout
    assert (drops.dropout, drops.attention, drops.input, drops.features) == (drop,) * 4
    assert (drops.activation, drops.layerdrop) == (0.0, layerdrop)
    assert (preset.masking.time_prob, preset.masking.time_length, preset.masking.time_min_spans) == (0.65, 10, 2)
    layer = preset.model.feature_norm == "layer"
    assert layer == preset.model.conv_bias == preset.model.layer_norm_first == preset.model.normalize_waveform
    assert layer == ("lv60" in name)


@pytest.mark.parametrize("name", FINETUNING)
def test_finetuning_recipes(name):
    preset = load_preset(name)
    updates, peak, samples, freeze, masks, channels, layerdrop = FINETUNING[name]
    assert preset.task == "finetune"
    assert preset.loop.batch_s * preset.loop.accumulate * 16000 == samples
    assert (preset.loop.updates, preset.optimizer.peak_lr) == (updates, peak)
    assert (preset.ctc.freeze_updates, preset.ctc.train_convolutions) == (freeze, False)
    assert (preset.masking.time_prob, preset.masking.time_length, preset.masking.time_min_spans) == (masks, 10, 2)
    assert (preset.masking.channel_prob, preset.masking.channel_length) == (channels, 64)
    drops = preset.dropout
    assert (drops.dropout, drops.attention, drops.input, drops.final) == (0.0,) * 4
    assert (drops.activation, drops.layerdrop) == (0.1, layerdrop)
    optimizer = preset.optimizer
    assert (optimizer.betas, optimizer.eps, optimizer.weight_decay) == ((0.9, 0.98), 1e-8, 0.0)
    assert (optimizer.schedule, optimizer.warmup, optimizer.hold) == ("tri_stage", 0.1, 0.4)
    parent = "large-lv60-pretrain" if name.startswith("large") else "base-pretrain"
    assert preset.model == load_preset(parent).model
    assert PUBLISHED_WER[name] in preset.expects
    assert f"{updates:,} updates" in preset.expects


@pytest.mark.parametrize(
    ("name", "update", "rate"),
    [
        # peak x n / warm-up, then peak x (1 - (n - warm-up) / (N - warm-up)); warm-up 8 % of N
        ("base-pretrain", 0, 0.0),
        ("base-pretrain", 16_000, 2.5e-4),
        ("base-pretrain", 32_000, 5e-4),
        ("base-pretrain", 100_000, 4.0761e-4),
        ("base-pretrain", 216_000, 2.5e-4),
        ("base-pretrain", 400_000, 0.0),
        ("large-pretrain", 10_000, 1.5e-4),
        ("large-pretrain", 20_000, 3e-4),
        ("large-pretrain", 135_000, 1.5e-4),
        ("large-lv60-pretrain", 24_000, 1.5e-4),
        ("large-lv60-pretrain", 48_000, 3e-4),
        ("large-lv60-pretrain", 324_000, 1.5e-4),
        ("large-lv60-pretrain", 600_000, 0.0),
        # from 1 % up in a tenth, four tenths at the peak, exponentially down to 5 % in the rest
        ("base-finetune-10h", 0, 5e-5 * 0.01),
        ("base-finetune-10h", 1_000, 5e-5 * 0.505),
        ("base-finetune-10h", 2_000, 5e-5),
        ("base-finetune-10h", 9_999, 5e-5),
        ("base-finetune-10h", 15_000, 5e-5 * 0.223607),
        ("base-finetune-10h", 20_000, 5e-5 * 0.05),
        ("base-finetune-10min", 650, 5e-5 * 0.505),
        ("base-finetune-100h", 60_000, 3e-5 * math.sqrt(0.05)),
        ("large-lv60-finetune-1h", 1_300, 3e-4),
        ("large-lv60-finetune-1h", 9_750, 3e-4 * math.sqrt(0.05)),
        ("large-lv60-finetune-960h", 32_000, 3e-5),
        ("large-lv60-finetune-960h", 200_000, 3e-5 * math.exp(math.log(0.05) * 40_000 / 160_000)),
    ],
)
def test_learning_rates_at_given_updates(name, update, rate):
    preset = load_preset(name)
    found = learning_rate(update, preset.loop.updates, preset.optimizer)
    assert found == pytest.approx(rate, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "update", "temperature"),
    [
        ("base-pretrain", 0, 2.0),
        ("base-pretrain", 10_000, 1.902459),
        ("base-pretrain", 100_000, 1.213060),
        ("base-pretrain", 277_258, 0.5),
        ("base-pretrain", 400_000, 0.5),
        ("large-pretrain", 200_000, 0.735757),
        ("large-lv60-pretrain", 400_000, 2 * math.exp(400_000 * math.log(0.999995))),
        ("large-lv60-pretrain", 599_145, 0.1),
        ("large-lv60-pretrain", 600_000, 0.1),
    ],
)
def test_temperatures_at_given_updates(name, update, temperature):
    assert gumbel_temperature(update, load_preset(name).objective) == pytest.approx(temperature, rel=2e-6)


@pytest.mark.parametrize(
    ("name", "head_alone_until"),
    [("base-finetune-10h", 10_000), ("base-finetune-960h", 0), ("large-lv60-finetune-960h", 10_000)],
)
def test_what_learns_at_given_updates(name, head_alone_until):
    """At the first update, around the end of the freeze, and at the last."""
    preset = load_preset(name)
    with torch.device("meta"):
        model = CtcModel(preset, 32)
    parts = {
        "head": model.head,
        "transformer": model.backbone.encoder,
        "projection": model.backbone.feature_projection,
        "convolutions": model.backbone.feature_extractor,
        "quantizer": model.quantizer,
    }
    around = {0, max(head_alone_until - 1, 0), head_alone_until, preset.loop.updates - 1}
    for update in sorted(around):
        model.freeze_for(update, preset.ctc)
        learns = {name for name, part in parts.items() if any(value.requires_grad for value in part.parameters())}
        frozen = update < head_alone_until
        assert learns == ({"head"} if frozen else {"head", "transformer", "projection"}), update
        assert model.backbone.masked_spec_embed.requires_grad is not frozen
