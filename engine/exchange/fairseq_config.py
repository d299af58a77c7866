"""fairseq's settings in our terms: argparse's flat ones (2020) and the nested config (since 2021). No torch."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from engine.config import ConfigError, DropoutConfig, MaskingConfig, ModelConfig, RunConfig
from engine.exchange.transformers_config import published_objective

DEFAULT_CONVOLUTIONS = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)] + [(512, 2, 2)]"
DEFAULTS: dict[str, Any] = {
    "extractor_mode": "default",
    "conv_feature_layers": DEFAULT_CONVOLUTIONS,
    "conv_bias": False,
    "layer_norm_first": False,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_layers": 12,
    "encoder_attention_heads": 12,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "latent_groups": 2,
    "latent_vars": 320,
    "latent_dim": 0,
    "final_dim": 0,
}
REQUIRED: dict[str, tuple[Any, str]] = {
    "activation_fn": ("gelu", "the Transformer's activation is the exact GELU"),
    "quantize_input": (False, "inputs are never quantized here"),
    "same_quantizer": (False, "inputs are never quantized here"),
    "target_glu": (False, "targets go through one linear layer"),
    "combine_groups": (False, "each codebook has entries of its own"),
    "quantizer_depth": (1, "the quantizer's logits come from one linear layer"),
    "layer_type": (
        "transformer",
        "Conformer layers are another network; MMS adapters (trf_adp) are read from transformers folders",
    ),
    "pos_conv_depth": (1, "positions come from one convolution"),
    "conv_pos_batch_norm": (False, "positions come from one convolution without batch norm"),
}
DROPOUTS = {
    "dropout": "dropout",
    "attention": "attention_dropout",
    "activation": "activation_dropout",
    "input": "dropout_input",
    "features": "dropout_features",
    "final": "final_dropout",
    "layerdrop": "encoder_layerdrop",
}
FAMILIES = ("wav2vec2", "wav2vec_ctc", "wav2vec2_seq2seq", "audio_pretraining", "wav2vec")
LARGEST_STACK = 64
"""More convolutions than any network has; a longer list is refused before it is built."""


def parse_convolutions(value: Any) -> list[tuple[int, int, int]]:
    """(channels, kernel, stride) of each layer from a list, or from a Python expression, which is parsed, not run.

    Raises ConfigError.
    """
    if isinstance(value, str):
        try:
            value = _sequence(ast.parse(value.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise ConfigError(f"conv_feature_layers={value!r} is no list of (channels, kernel, stride)") from error
    try:
        layers = [(int(channels), int(kernel), int(stride)) for channels, kernel, stride in value]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"conv_feature_layers={value!r} is no list of (channels, kernel, stride)") from error
    return layers


def _sequence(node: ast.expr) -> list[Any]:
    """Lists and tuples of whole numbers, joined with + and repeated with *."""
    if isinstance(node, ast.List | ast.Tuple):
        return [_whole(item) if isinstance(item, ast.Constant) else _sequence(item) for item in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sequence(node.left) + _sequence(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = (node.right, node.left) if isinstance(node.left, ast.Constant) else (node.left, node.right)
        times = _whole(right)
        if times > LARGEST_STACK:
            raise ValueError(f"{times} layers")
        return _sequence(left) * times
    raise ValueError(ast.dump(node))


def _whole(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value < 1_000_000:
        return node.value
    raise ValueError(ast.dump(node))


def model_settings(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], bool | None]:
    """(settings of the network, settings of this stage, normalize) of a file's `args` and `cfg`, made plain.

    The network's are those of pre-training: inside `w2v_args` in a fine-tuned file, empty where it only names a path.
    """
    args, cfg = content.get("args"), content.get("cfg")
    if isinstance(cfg, Mapping) and cfg.get("model"):
        stage = dict(cfg["model"])
        task = cfg.get("task") or {}
    else:
        stage = task = dict(args) if isinstance(args, Mapping) else {}
    before = stage.get("w2v_args")
    network = dict(stage)
    if is_fine_tuned(content):
        network, task_before = _before(before)
        task = {**task_before, **{name: value for name, value in task.items() if value is not None}}
    normalize = stage.get("normalize") if isinstance(stage.get("normalize"), bool) else task.get("normalize")
    return network, stage, normalize if isinstance(normalize, bool) else None


def _before(before: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if not isinstance(before, Mapping):
        return {}, {}
    if isinstance(before.get("model"), Mapping):
        return dict(before["model"]), dict(before.get("task") or {})
    return dict(before), dict(before)


def is_fine_tuned(content: Mapping[str, Any]) -> bool:
    """Whether the weights sit behind the prefix of fine-tuned files."""
    return any(str(name).startswith("w2v_encoder.") for name in content["model"])


def refuse_other_networks(network: Mapping[str, Any], origin: str) -> None:
    """Raise ConfigError naming each setting of a network that is not this engine's."""
    family = network.get("_name") or network.get("arch") or "wav2vec2"
    if family not in FAMILIES:
        raise ConfigError(f"{origin} holds a {family!r} model; only wav2vec 2.0 has this engine's network")
    problems = [
        f"{key}={network[key]!r}: {why}"
        for key, (needed, why) in REQUIRED.items()
        if network.get(key) is not None and network[key] != needed
    ]
    if problems:
        raise ConfigError(f"{origin} asks for what this engine's network does not have: " + "; ".join(problems))


def read_model_config(network: Mapping[str, Any], normalize: bool) -> ModelConfig:
    """Sizes from fairseq's names (reference section 18); a latent_dim of 0 means final_dim, that of 0 the width."""
    value = DEFAULTS | {name: network[name] for name in DEFAULTS if network.get(name) is not None}
    layers = parse_convolutions(value["conv_feature_layers"])
    width = value["encoder_embed_dim"]
    final = value["final_dim"] or width
    return ModelConfig(
        feature_norm="layer" if value["extractor_mode"] == "layer_norm" else "group",
        conv_channels=tuple(layer[0] for layer in layers),
        conv_kernels=tuple(layer[1] for layer in layers),
        conv_strides=tuple(layer[2] for layer in layers),
        conv_bias=value["conv_bias"],
        layer_norm_first=value["layer_norm_first"],
        embed_dim=width,
        ffn_dim=value["encoder_ffn_embed_dim"],
        layers=value["encoder_layers"],
        heads=value["encoder_attention_heads"],
        position_kernel=value["conv_pos"],
        position_groups=value["conv_pos_groups"],
        codebook_groups=value["latent_groups"],
        codebook_entries=value["latent_vars"],
        codevector_dim=value["latent_dim"] or final,
        final_dim=final,
        normalize_waveform=normalize,
    )


def read_run_config(
    model: ModelConfig, network: Mapping[str, Any], stage: Mapping[str, Any], fine_tuned: bool
) -> RunConfig:
    """The run around `model`: dropouts and masks of the file's own stage, fine-tuning's replacing pre-training's."""
    names = {**DROPOUTS, "layerdrop": "layerdrop"} if fine_tuned else DROPOUTS
    plain = DropoutConfig()
    drops = {ours: _number(stage.get(theirs), getattr(plain, ours)) for ours, theirs in names.items()}
    masks = MaskingConfig(
        time_prob=_number(stage.get("mask_prob"), 0.65),
        time_length=int(_number(stage.get("mask_length"), 10)),
        channel_prob=_number(stage.get("mask_channel_prob"), 0.0),
        channel_length=int(_number(stage.get("mask_channel_length"), 64 if fine_tuned else 10)),
    )
    objective = published_objective(
        model,
        negatives=int(_number(network.get("num_negatives"), 100)),
        logit_temperature=_number(network.get("logit_temp"), 0.1),
    )
    return RunConfig(
        task="finetune" if fine_tuned else "pretrain",
        model=model,
        dropout=DropoutConfig(**drops),
        masking=masks,
        objective=objective,
    )


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
