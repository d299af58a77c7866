"""The presets that are not the paper's: one network each, narrow front ends, exact live use; and the order shown."""

import pytest
import torch

from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.presets import load_preset, preset_names, presets_folder
from w2v_studio.training.model import TrainingModel


def test_small_is_one_network_of_10_to_30_million_parameters():
    before, after = load_preset("small-pretrain"), load_preset("small-finetune")
    assert before.model == after.model
    model = before.model
    assert model.conv_channels == (64, 96, 128, 192, 256, 256, 256)
    assert (model.embed_dim, model.ffn_dim, model.layers, model.heads) == (256, 1024, 12, 4)
    assert (model.codebook_groups, model.codebook_entries, model.codevector_dim, model.final_dim) == (2, 64, 128, 128)
    with torch.device("meta"):
        whole, recogniser = PretrainingModel(before), CtcModel(after, 32)
    for module in (whole, recogniser.backbone):
        assert 10e6 < sum(value.numel() for value in module.parameters()) < 30e6


@pytest.mark.parametrize("name", [name for name in preset_names() if name.startswith(("quick", "tiny", "small"))])
def test_our_networks_can_be_used_live_without_change(name):
    """What a block keeps for the next is exact only where nothing is normed over time."""
    model = load_preset(name).model
    assert (model.feature_norm, model.layer_norm_first, model.normalize_waveform) == ("layer", True, False)
    assert max(model.conv_channels) < 512


def test_quick_ones_come_first_and_the_largest_last(tmp_path):
    """The order in which the Train screen lists them: what asks least of the machine first."""
    model = TrainingModel(tmp_path, presets_folder(), [tmp_path])
    listed = {
        task: [item.name for item in model.presets() if item.config.task == task] for task in ("pretrain", "finetune")
    }
    assert listed["pretrain"] == [
        "quick-pretrain",
        "tiny-spectra",
        "tiny-pretrain",
        "small-spectra",
        "small-pretrain",
        "base-pretrain",
        "large-pretrain",
        "large-lv60-pretrain",
    ]
    amounts = ("10min", "1h", "10h", "100h", "960h")
    assert listed["finetune"] == [
        "quick-digits",
        "corrections",
        "tiny-digits",
        "tiny-finetune",
        "small-finetune",
        *(f"base-finetune-{amount}" for amount in amounts),
        *(f"large-lv60-finetune-{amount}" for amount in amounts),
    ]


@pytest.mark.parametrize("name", preset_names())
def test_each_says_data_hardware_time_and_score(name):
    """In words that a person reads before a run of days: no promise without its source."""
    words = load_preset(name).expects
    assert "@@" not in words
    assert any(unit in words for unit in ("minute", "hour", "days", "months", "year"))
    assert "CPU" in words or "GPU" in words
    if "finetune-" in name or name in ("base-pretrain", "large-pretrain", "large-lv60-pretrain"):
        assert "Not run by us" in words
        assert "WER" in words
