"""The network's sizes from its weights alone, for state dicts that come without settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from engine.config import ModelConfig
from engine.exchange.names import DIRECTION
from engine.training.checkpoint import CheckpointError

CONVOLUTION = "wav2vec2.feature_extractor.conv_layers"
LAYERS = "wav2vec2.encoder.layers"
HEADS = {768: 12, 1024: 16, 1280: 16, 1920: 16}
"""Of the published models by width; heads leave no trace in the shapes. Others are taken to have 64 channels a head."""
FIRST_STRIDE = 5
WIDE = 1024
"""From this width on the published models compare in 768 dimensions, below in 256."""


def read_sizes(weights: Mapping[str, Tensor], origin: str) -> tuple[ModelConfig, str]:
    """The config that fits `weights` (our names), and a sentence on what shapes do not tell and was assumed.

    Raises CheckpointError where these are no weights of a wav2vec 2.0 network.
    """
    convolutions: list[Tensor] = []
    while f"{CONVOLUTION}.{len(convolutions)}.conv.weight" in weights:
        convolutions.append(weights[f"{CONVOLUTION}.{len(convolutions)}.conv.weight"])
    numbers = [int(match[1]) for name in weights if (match := re.match(rf"{re.escape(LAYERS)}\.(\d+)\.", name))]
    projection = weights.get("wav2vec2.feature_projection.projection.weight")
    inner = weights.get(f"{LAYERS}.0.feed_forward.intermediate_dense.weight")
    positions = weights.get(DIRECTION)
    if not convolutions or not numbers or projection is None or inner is None or positions is None:
        raise CheckpointError(
            f"{origin} does not hold a wav2vec 2.0 network: convolutions, feature projection, positional convolution "
            "and Transformer layers were looked for by the names of torchaudio and fairseq"
        )
    width = int(projection.shape[0])
    layer_norm = f"{CONVOLUTION}.1.layer_norm.weight" in weights
    heads = HEADS.get(width, max(1, width // 64))
    book, logits = weights.get("quantizer.codevectors"), weights.get("quantizer.weight_proj.weight")
    groups = 2
    entries = 320 if logits is None else int(logits.shape[0]) // groups
    size = (768 if width >= WIDE else 256) if book is None else int(book.shape[-1]) * groups
    final = weights.get("project_hid.weight")
    model = ModelConfig(
        feature_norm="layer" if layer_norm else "group",
        conv_channels=tuple(int(weight.shape[0]) for weight in convolutions),
        conv_kernels=tuple(int(weight.shape[2]) for weight in convolutions),
        conv_strides=(FIRST_STRIDE, *(2 for _ in convolutions[1:])),
        conv_bias=f"{CONVOLUTION}.0.conv.bias" in weights,
        layer_norm_first=layer_norm,
        embed_dim=width,
        ffn_dim=int(inner.shape[0]),
        layers=max(numbers) + 1,
        heads=heads,
        position_kernel=int(positions.shape[2]),
        position_groups=width // int(positions.shape[1]),
        codebook_groups=groups,
        codebook_entries=entries,
        codevector_dim=size,
        final_dim=size if final is None else int(final.shape[0]),
        normalize_waveform=layer_norm,
    )
    order, yes = ("pre", "with") if layer_norm else ("post", "without")
    return model, (
        f"the file has no settings; what shapes do not tell is as in the published models: {heads} heads, "
        f"{order}-LN layers, strides {FIRST_STRIDE} and 2, {yes} waveform normalisation (change with --set "
        "model.heads=..., model.layer_norm_first=..., model.conv_strides=..., model.normalize_waveform=...)"
    )
