"""Small transformers models with random weights, norms and biases included, in folders as they are published."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining, Wav2Vec2Model

LETTERS = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ"
ENGLISH = {token: place for place, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *LETTERS])}
STABLE = {"group": False, "layer": True}
KINDS = {"pretraining": Wav2Vec2ForPreTraining, "ctc": Wav2Vec2ForCTC, "backbone": Wav2Vec2Model}


def small_config(norm: str, **changes: Any) -> Wav2Vec2Config:
    values: dict[str, Any] = {
        "feat_extract_norm": norm,
        "do_stable_layer_norm": STABLE[norm],
        "conv_bias": norm == "layer",
        "conv_dim": (32,) * 7,
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "num_codevectors_per_group": 8,
        "codevector_dim": 32,
        "proj_codevector_dim": 24,
        "num_negatives": 5,
        "vocab_size": 32,
    }
    return Wav2Vec2Config(**(values | changes))


def small_model(kind: str, norm: str, seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    model = KINDS[kind](small_config(norm, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture
def published(tmp_path: Path) -> Callable[..., tuple[Path, Any]]:
    """Builds (folder, model): kind, norm, further config, and what the tokenizer says."""

    def build(
        kind: str,
        norm: str = "layer",
        name: str = "published",
        *,
        normalize: bool | None = None,
        vocabulary: dict[str, Any] | None = None,
        tokenizer: dict[str, Any] | None = None,
        model: Any = None,
        **changes: Any,
    ) -> tuple[Path, Any]:
        folder = tmp_path / name
        model = model or small_model(kind, norm, **changes)
        model.save_pretrained(folder)
        says = {"do_normalize": norm == "layer" if normalize is None else normalize, "sampling_rate": 16000}
        (folder / "preprocessor_config.json").write_text(json.dumps(says))
        if kind == "ctc":
            (folder / "vocab.json").write_text(json.dumps(vocabulary or ENGLISH, ensure_ascii=False), encoding="utf-8")
            (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer or {}), encoding="utf-8")
        return folder, model

    return build


@pytest.fixture
def noise() -> torch.Tensor:
    """(2, 9000), 27 frames."""
    return torch.randn(2, 9000, generator=torch.Generator().manual_seed(7))
