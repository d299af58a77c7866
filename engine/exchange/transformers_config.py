"""transformers' config.json and preprocessor_config.json, in and out (reference section 18). No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.config import ConfigError, DropoutConfig, MaskingConfig, ModelConfig, ObjectiveConfig, RunConfig
from engine.exchange.kinds import Kind

ARCHITECTURES: dict[str, Kind] = {
    "Wav2Vec2ForPreTraining": "pretraining",
    "Wav2Vec2ForCTC": "ctc",
    "Wav2Vec2Model": "backbone",
}
SIZES = {
    "conv_channels": ("conv_dim", (512,) * 7),
    "conv_kernels": ("conv_kernel", (10, 3, 3, 3, 3, 2, 2)),
    "conv_strides": ("conv_stride", (5, 2, 2, 2, 2, 2, 2)),
    "conv_bias": ("conv_bias", False),
    "feature_norm": ("feat_extract_norm", "group"),
    "layer_norm_first": ("do_stable_layer_norm", False),
    "embed_dim": ("hidden_size", 768),
    "ffn_dim": ("intermediate_size", 3072),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "position_kernel": ("num_conv_pos_embeddings", 128),
    "position_groups": ("num_conv_pos_embedding_groups", 16),
    "codebook_groups": ("num_codevector_groups", 2),
    "codebook_entries": ("num_codevectors_per_group", 320),
    "codevector_dim": ("codevector_dim", 256),
    "final_dim": ("proj_codevector_dim", 256),
    "adapter_dim": ("adapter_attn_dim", 0),
}
"""Our name of a size to transformers' and its default there."""
DROPOUTS = {
    "dropout": ("hidden_dropout", 0.1),
    "attention": ("attention_dropout", 0.1),
    "activation": ("activation_dropout", 0.1),
    "input": ("feat_proj_dropout", 0.0),
    "features": ("feat_quantizer_dropout", 0.0),
    "final": ("final_dropout", 0.1),
    "layerdrop": ("layerdrop", 0.1),
}
MASKS = {
    "time_prob": ("mask_time_prob", 0.05),
    "time_length": ("mask_time_length", 10),
    "time_min_spans": ("mask_time_min_masks", 2),
    "channel_prob": ("mask_feature_prob", 0.0),
    "channel_length": ("mask_feature_length", 10),
}
OBJECTIVE = {
    "negatives": ("num_negatives", 100),
    "logit_temperature": ("contrastive_logits_temperature", 0.1),
    "diversity_weight": ("diversity_loss_weight", 0.1),
}
DEFAULT_TIME_PROB = 0.05
"""transformers' default, which published pre-training configs carry though none was trained so."""
REQUIRED: dict[str, tuple[Any, str]] = {
    "hidden_act": ("gelu", "the Transformer's activation is the exact GELU"),
    "feat_extract_activation": ("gelu", "the convolutions' activation is the exact GELU"),
    "layer_norm_eps": (1e-5, "the norms use 1e-5"),
    "add_adapter": (False, "its extra convolutions lower the frame rate, and recognition here counts on 20 ms"),
    "position_embeddings_type": (None, "its attention has relative positions of its own (a Conformer)"),
}
"""Settings with the one value that this network has, and why. `None` also stands for absent."""


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file. Raises ConfigError naming the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): download it again") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no JSON object: download it again")
    return values


def read_kind(values: Mapping[str, Any], path: Path) -> Kind:
    """What the folder's weights are, by `architectures`. Raises ConfigError for other families and heads."""
    family = values.get("model_type", "wav2vec2")
    if family != "wav2vec2":
        raise ConfigError(f"{path}: model_type is {family!r}; only 'wav2vec2' has this engine's network")
    named = values.get("architectures") or ["Wav2Vec2Model"]
    if named[0] not in ARCHITECTURES:
        raise ConfigError(f"{path}: {named[0]} is not supported; give one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[named[0]]


def read_run_config(values: Mapping[str, Any], kind: Kind, normalize: bool, path: Path) -> RunConfig:
    """The run config that a config.json describes. Raises ConfigError naming each option that the network lacks."""
    problems = []
    for key, (needed, why) in REQUIRED.items():
        found = values.get(key)
        if found is not None and found != needed:
            problems.append(f"{key}={found!r}: {why}")
    if problems:
        raise ConfigError(f"{path} asks for what this engine's network does not have: " + "; ".join(problems))

    def take(table: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
        found = {ours: values.get(theirs) for ours, (theirs, _) in table.items()}
        chosen = {ours: default if found[ours] is None else found[ours] for ours, (_, default) in table.items()}
        return {ours: tuple(value) if isinstance(value, list) else value for ours, value in chosen.items()}

    model = ModelConfig(**take(SIZES), normalize_waveform=normalize)
    masks = take(MASKS)
    if kind == "pretraining" and masks["time_prob"] == DEFAULT_TIME_PROB:
        masks["time_prob"] = MaskingConfig().time_prob
    if values.get("apply_spec_augment") is False:
        masks |= {"time_prob": 0.0, "channel_prob": 0.0}
    return RunConfig(
        task="finetune" if kind == "ctc" else "pretrain",
        model=model,
        dropout=DropoutConfig(**take(DROPOUTS)),
        masking=MaskingConfig(**masks),
        objective=published_objective(model, **take(OBJECTIVE)),
    )


def published_objective(model: ModelConfig, **values: Any) -> ObjectiveConfig:
    """The loss of the published recipe for this kind of network (reference sections 4, 10 and 13)."""
    group = model.feature_norm == "group"
    return ObjectiveConfig(
        **values,
        penalty_weight=10.0 if group else 0.0,
        feature_grad_mult=0.1 if group else 1.0,
        gumbel_min=0.1 if model.embed_dim >= 1024 else 0.5,
    )


def read_normalization(folder: Path, feature_norm: str) -> tuple[bool, str]:
    """Whether utterances get zero mean and unit variance, and a sentence where the folder does not say.

    transformers 5 writes processor_config.json with the extractor's settings nested in it.
    """
    for name, key in (("preprocessor_config.json", None), ("processor_config.json", "feature_extractor")):
        if (folder / name).is_file():
            values = read_json(folder / name)
            values = values if key is None else values.get(key) or {}
            if "do_normalize" in values:
                _check_rate(values, folder / name)
                return bool(values["do_normalize"]), ""
    normalize = feature_norm == "layer"
    return normalize, (
        f"no preprocessor_config.json says whether waveforms are normalised: {'yes' if normalize else 'no'} is "
        f"assumed, as usual with {feature_norm} norm (change it with --set model.normalize_waveform=...)"
    )


def _check_rate(values: Mapping[str, Any], path: Path) -> None:
    rate = values.get("sampling_rate", 16000)
    if rate != 16000:
        raise ConfigError(f"{path}: sampling_rate is {rate}; this engine's audio has 16000 samples a second")


def write_config(run: RunConfig, kind: Kind, tokens: Mapping[str, int | None], vocabulary_size: int) -> dict[str, Any]:
    """config.json. `tokens` holds pad, bos, eos and unk ids; pad is the blank."""
    names = {kind_: name for name, kind_ in ARCHITECTURES.items()}
    values: dict[str, Any] = {"architectures": [names[kind]], "model_type": "wav2vec2"}
    for section, table in (
        (run.model, SIZES),
        (run.dropout, DROPOUTS),
        (run.masking, MASKS),
        (run.objective, OBJECTIVE),
    ):
        for ours, (theirs, _) in table.items():
            value = getattr(section, ours)
            values[theirs] = list(value) if isinstance(value, tuple) else value
    if not values["mask_time_prob"] and not values["mask_feature_prob"]:
        # Both at 0 would leave the mask embedding out of the model, and our weight would be unexpected.
        values |= {"apply_spec_augment": False, "mask_time_prob": DEFAULT_TIME_PROB}
    values |= {
        "num_feat_extract_layers": len(run.model.conv_channels),
        "hidden_act": "gelu",
        "feat_extract_activation": "gelu",
        "layer_norm_eps": 1e-5,
        "initializer_range": 0.02,
        "add_adapter": False,
        "ctc_loss_reduction": "sum",
        "ctc_zero_infinity": True,
        "dtype": "float32",
    }
    values["adapter_attn_dim"] = run.model.adapter_dim or None
    values |= {f"{name}_token_id": place for name, place in tokens.items() if name != "unk" and place is not None}
    if kind == "ctc":
        values["vocab_size"] = vocabulary_size
    return values


def write_preprocessor(run: RunConfig, kind: Kind) -> dict[str, Any]:
    """preprocessor_config.json. Group-norm models get no attention mask, as transformers has it (section 7)."""
    values: dict[str, Any] = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": 16000,
        "padding_side": "right",
        "padding_value": 0.0,
        "do_normalize": run.model.normalize_waveform,
        "return_attention_mask": run.model.feature_norm == "layer",
    }
    return values | ({"processor_class": "Wav2Vec2Processor"} if kind == "ctc" else {})
