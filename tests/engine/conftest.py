"""A small corpus of tones made on the spot, and a network small enough to train in a second."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import config
from engine.config import RunConfig

LETTERS = "ETAON"


def tone(seconds: float, frequency: float, rate: int = 16000) -> np.ndarray:
    time_s = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * frequency * time_s)).astype(np.float32)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with train.tsv (20 clips of 0.5 to 1.5 s) and valid.tsv (5); a letter for each pitch."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(5)
    for name, count in (("train", 20), ("valid", 5)):
        lines = ["path\tduration_s\tspeaker\ttranscript"]
        for place in range(count):
            letter = place % len(LETTERS)
            seconds = 0.5 + place / count
            clip = tone(seconds, 200 * 1.5**letter) + 0.01 * rng.standard_normal(round(seconds * 16000))
            soundfile.write(folder / f"{name}{place}.flac", clip, 16000)
            lines.append(f"{name}{place}.flac\t{seconds:.3f}\tsine\t{LETTERS[letter] * 2} {LETTERS[letter]}")
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def small_run(corpus: Path) -> Callable[..., RunConfig]:
    """Builds a run with a tiny network on the corpus; settings as `--set` takes them come on top."""

    def build(task: str, *settings: str) -> RunConfig:
        plain = config.from_mapping(
            RunConfig,
            {
                "task": task,
                "model": {
                    "conv_channels": [8] * 7,
                    "embed_dim": 16,
                    "ffn_dim": 32,
                    "layers": 2,
                    "heads": 2,
                    "position_kernel": 16,
                    "position_groups": 4,
                    "codebook_entries": 8,
                    "codevector_dim": 16,
                    "final_dim": 16,
                },
                "dropout": {"layerdrop": 0.3},
                "objective": {"negatives": 10},
                "data": {"train": [str(corpus / "train.tsv")], "valid": [str(corpus / "valid.tsv")], "crop_s": 1.0},
                "optimizer": {"peak_lr": 2e-3},
                "loop": {
                    "updates": 6,
                    "batch_s": 4.0,
                    "device": "cpu",
                    "threads": 1,
                    "log_every": 1,
                    "evaluate_every": 3,
                    "checkpoint_every": 1,
                },
            },
        )
        return config.with_settings(plain, settings)

    return build
