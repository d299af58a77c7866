"""A checkpoint as a folder that transformers loads with nothing missing, unexpected or mismatched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.exchange.kinds import Kind
from engine.exchange.names import DIRECTION, GAIN, POSITIONS
from engine.exchange.published_model import CODEBOOK_PARTS
from engine.exchange.transformers_config import write_config, write_preprocessor
from engine.exchange.transformers_folder import CODEBOOK_FILE, CONFIG_FILE
from engine.exchange.vocabulary_files import SPECIAL_NAMES
from engine.text.vocabulary import Vocabulary
from engine.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    build_ctc_model,
    build_pretraining_model,
    letters_alone,
)

WEIGHTS_FILE = "model.safetensors"
OLD_NAMES = {GAIN: f"{POSITIONS}.weight_g", DIRECTION: f"{POSITIONS}.weight_v"}
"""torch.nn.utils.weight_norm's, for programs before torch 2.1; transformers reads both."""
WRITTEN = (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CODEBOOK_FILE,
    "preprocessor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


def transformers_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Weights by transformers' names; a CTC model's codebook is not among them."""
    if checkpoint.config.task == "pretrain":
        return dict(checkpoint.model)
    weights = {}
    for name, value in checkpoint.model.items():
        part, _, rest = name.partition(".")
        if part not in CODEBOOK_PARTS:
            weights[f"{ {'backbone': 'wav2vec2', 'head': 'lm_head'}[part] }.{rest}"] = value
    return weights


def write_folder(checkpoint: Checkpoint, out: Path, *, old_names: bool = False, force: bool = False) -> Path:
    """Write everything beside `out` first and rename then. Raises CheckpointError or OSError, with `out` untouched."""
    refuse_occupied(out, force)
    # Loading the checkpoint into its model first: one that is not whole is not passed on.
    checkpoint = letters_alone(checkpoint)
    kind: Kind = "pretraining" if checkpoint.config.task == "pretrain" else "ctc"
    if kind == "ctc":
        build_ctc_model(checkpoint)
    else:
        build_pretraining_model(checkpoint)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    folder.mkdir()
    try:
        _write(checkpoint, kind, folder, old_names)
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out


def refuse_occupied(out: Path, force: bool) -> None:
    """Raise CheckpointError where writing would replace something that must stay."""
    if not out.exists():
        return
    if not out.is_dir() or out.is_symlink():
        raise CheckpointError(f"{out} is not a folder: choose another --out")
    foreign = sorted(item.name for item in out.iterdir() if item.name not in WRITTEN)
    if foreign:
        raise CheckpointError(f"{out} holds {foreign[0]!r}, which an export does not write: choose another --out")
    if not force and any(out.iterdir()):
        raise CheckpointError(f"{out} already holds an export: choose another --out, or replace it with --force")


def _write(checkpoint: Checkpoint, kind: Kind, folder: Path, old_names: bool) -> None:
    from safetensors.torch import save_file

    weights = transformers_weights(checkpoint)
    if old_names:
        weights = {OLD_NAMES.get(name, name): value for name, value in weights.items()}
    save_file(_separate(weights), folder / WEIGHTS_FILE, {"format": "pt"})
    vocabulary = checkpoint.vocabulary
    tokens = {} if vocabulary is None else special_ids(vocabulary)
    _write_json(
        folder / CONFIG_FILE,
        write_config(checkpoint.config, kind, tokens, 0 if vocabulary is None else len(vocabulary)),
    )
    _write_json(folder / "preprocessor_config.json", write_preprocessor(checkpoint.config, kind))
    if vocabulary is not None:
        vocabulary.save(folder / "vocab.json")
        specials = special_tokens(vocabulary)
        _write_json(folder / "special_tokens_map.json", {name: token for name, token in specials.items() if token})
        _write_json(folder / "tokenizer_config.json", tokenizer_config(vocabulary, specials))
        codebook = {name: value for name, value in checkpoint.model.items() if name.split(".")[0] in CODEBOOK_PARTS}
        trained = "true" if checkpoint.codebook_trained else "false"
        save_file(_separate(codebook), folder / CODEBOOK_FILE, {"format": "pt", "codebook_trained": trained})
    for path in folder.glob("*.safetensors"):  # written for the owner alone; as readable as the rest
        path.chmod((folder / CONFIG_FILE).stat().st_mode)


def _separate(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """safetensors takes only whole tensors that share no memory."""
    return {name: value.detach().float().cpu().clone().contiguous() for name, value in weights.items()}


def special_tokens(vocabulary: Vocabulary) -> dict[str, str | None]:
    """transformers' roles; padding is the blank, and a role whose token this vocabulary lacks stays empty."""
    roles = {role: token if token in vocabulary.tokens else None for role, token in SPECIAL_NAMES.items()}
    return roles | {"pad_token": vocabulary.tokens[vocabulary.blank]}


def special_ids(vocabulary: Vocabulary) -> dict[str, int | None]:
    """Role to index, None where the vocabulary has no such token."""
    return {
        role.removesuffix("_token"): None if token is None else vocabulary.tokens.index(token)
        for role, token in special_tokens(vocabulary).items()
    }


def tokenizer_config(vocabulary: Vocabulary, specials: Mapping[str, str | None]) -> dict[str, Any]:
    """tokenizer_config.json."""
    return {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "processor_class": "Wav2Vec2Processor",
        **specials,
        "word_delimiter_token": vocabulary.separator,
        "replace_word_delimiter_char": " ",
        "do_lower_case": False,
        "clean_up_tokenization_spaces": False,
    }


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
