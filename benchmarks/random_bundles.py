"""Bundles of any size with random weights, for measuring time: made by the engine and w2v-export, and kept."""

from __future__ import annotations

import hashlib
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
    """The bundle of that size in `folder`, made if it is not there or the exporter has changed. Takes a minute."""
    code = sorted([*(REPOSITORY / "export").glob("*.py"), *(REPOSITORY / "engine/model").rglob("*.py")])
    state = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:12]
    out = folder / f"{size}-{state}"
    if not (out / "bundle.json").is_file():
        print(f"making a {size} bundle with random weights", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, __file__, size, str(out)], check=True, env=environment, stdout=sys.stderr)
    return out


def _make(size: str, out: Path) -> None:
    import torch

    from engine.config import ModelConfig, RunConfig
    from engine.model.ctc import CtcModel
    from engine.text.vocabulary import Vocabulary
    from engine.training.checkpoint import Checkpoint, save_checkpoint
    from export import publish
    from export.verify import Parity

    torch.manual_seed(0)
    config = RunConfig(task="finetune", name=f"random-{size}", model=ModelConfig(**SIZES[size]))
    vocabulary = Vocabulary.english()
    network = CtcModel(config, len(vocabulary))
    weights = out.with_suffix(".pt")
    save_checkpoint(Checkpoint(config, 0, network.state_dict(), vocabulary, run="random"), weights)
    publish.compare = lambda *_: Parity()  # parity is tested elsewhere; here only the time counts
    publish.publish(weights, out, publish.BundleRequest(name=out.name), print)
    weights.unlink()


if __name__ == "__main__":
    _make(sys.argv[1], Path(sys.argv[2]))
