"""Bundles of any size with random weights, for measuring time: made by the engine and w2v-export, and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SIZES = {
    "base": {},
    "small": {"conv_channels": (256,) * 7, "embed_dim": 384, "ffn_dim": 1536, "layers": 12, "heads": 6},
}
"""Changes to engine.config.ModelConfig, all with layer norm."""


def random_bundle(size: str, folder: Path) -> Path:
    """The bundle of that size in `folder`, made if it is not there: delete it after changes of the exporter."""
    out = folder / size
    if not (out / "bundle.json").is_file():
        print(f"making a {size} bundle with random weights", file=sys.stderr, flush=True)
        out.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, __file__, size, str(out)], check=True, env=environment, stdout=sys.stderr)
    return out


def _make(size: str, out: Path) -> None:
    """Only what recognition needs: no comparison with PyTorch, no copies in other precisions."""
    import onnx
    import torch

    from engine.config import ModelConfig, RunConfig
    from engine.model.ctc import CtcModel
    from engine.text.vocabulary import Vocabulary
    from export.bundle import CONTEXT_FILE, FEATURES_FILE, VOCABULARY_FILE, BundleCard, write_card
    from export.graph import fold, trace

    torch.manual_seed(0)
    config = RunConfig(task="finetune", name=f"random-{size}", model=ModelConfig(**SIZES[size]))
    vocabulary = Vocabulary.english()
    model = CtcModel(config, len(vocabulary)).eval()
    for proto, name in zip(trace(fold(model), {}), (FEATURES_FILE, CONTEXT_FILE), strict=True):
        onnx.save(proto, out / name)
    vocabulary.save(out / VOCABULARY_FILE)
    parameters = sum(weight.numel() for weight in model.parameters())
    write_card(out, BundleCard(f"random-{size}", channels=config.model.conv_channels[-1], parameters=parameters))


if __name__ == "__main__":
    _make(sys.argv[1], Path(sys.argv[2]))
