"""Small CTC models with random weights, saved as checkpoints and exported once for all tests here."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from engine.config import CtcConfig, ModelConfig, RunConfig
from engine.model.ctc import CtcModel
from engine.text.vocabulary import Vocabulary
from engine.training.checkpoint import Checkpoint, save_checkpoint
from export.publish import BundleRequest, publish

SMALL = ModelConfig(
    conv_channels=(24,) * 7,
    embed_dim=64,
    ffn_dim=256,
    layers=2,
    heads=4,
    position_kernel=16,
    position_groups=4,
    codebook_entries=20,
    codevector_dim=16,
    final_dim=16,
)
LAYER_PRE = SMALL
GROUP_POST = replace(
    SMALL, feature_norm="group", conv_bias=False, layer_norm_first=False, normalize_waveform=True, position_kernel=15
)
VOCABULARY = Vocabulary.english()


@dataclass
class Exported:
    model: CtcModel
    checkpoint: Path
    bundle: Path


def make_model(config: ModelConfig, seed: int = 0) -> CtcModel:
    """Random weights, the norms' and biases too: with ones and zeros a forgotten one would go unseen."""
    torch.manual_seed(seed)
    model = CtcModel(RunConfig(task="finetune", name="small", model=config), len(VOCABULARY)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.add_(torch.empty_like(weight).uniform_(-0.3, 0.3))
    return model


def save_model(model: CtcModel, config: ModelConfig, path: Path) -> None:
    run = RunConfig(task="finetune", name="small", model=config, ctc=CtcConfig(checkpoint="before/checkpoints/best.pt"))
    save_checkpoint(Checkpoint(run, 7, model.state_dict(), VOCABULARY, run="runs/spring"), path)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def export_small(tmp_path_factory):
    done: dict[tuple[ModelConfig, str], Exported] = {}
    tried = set()

    def export(config: ModelConfig, weights: str = "fp32") -> Exported:
        if (config, weights) not in done:
            assert (config, weights) not in tried, "this export failed in an earlier test"
            tried.add((config, weights))
            folder = tmp_path_factory.mktemp("exported")
            model = make_model(config)
            save_model(model, config, folder / "small.pt")
            publish(folder / "small.pt", folder / "bundle", BundleRequest(weights=weights, licence="CC0"), print)
            done[config, weights] = Exported(model, folder / "small.pt", folder / "bundle")
        return done[config, weights]

    return export
