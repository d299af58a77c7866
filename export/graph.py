"""The two graphs of a bundle: their inputs, outputs and free axes, and the one place that calls the exporter.

features.onnx   waveform (batch, samples) f32
                -> latents (batch, frames, channels) f32, code_ids (batch, frames, groups) i64,
                   code_probs (batch, frames, groups, entries) f32
context.onnx    latents (batch, frames, channels) f32, time_mask (batch, frames) bool, frame_lengths (batch) i64
                -> contexts (batch, frames, width) f32, logits (batch, frames, tokens) f32

Both graphs take what they are given: where the card says `normalize_waveform`, the caller normalises.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from engine.model.ctc import CtcModel
from export.context_graph import ContextGraph
from export.encoder_blocks import rearranged
from export.row_products import keep_sums_apart, use_row_products

OPSET = 20
"""Known to every provider of ONNX Runtime; attention stays matrix products, which it fuses itself."""

LARGEST_BYTES = 2_000_000_000
"""Limit of one ONNX file. Bundles hold no external data."""


class ExportError(ValueError):
    """A model that cannot become a bundle. The message says why and what to do."""


@dataclass(frozen=True)
class GraphForm:
    """Names of a graph's inputs and outputs, each with its free axes by position."""

    inputs: dict[str, dict[int, str]]
    outputs: dict[str, dict[int, str]]


FRAMES = {0: "batch", 1: "frames"}
FEATURES = GraphForm(
    inputs={"waveform": {0: "batch", 1: "samples"}},
    outputs={"latents": FRAMES, "code_ids": FRAMES, "code_probs": FRAMES},
)
CONTEXT = GraphForm(
    inputs={"latents": FRAMES, "time_mask": FRAMES, "frame_lengths": {0: "batch"}},
    outputs={"contexts": FRAMES, "logits": FRAMES},
)


class FeaturesGraph(nn.Module):
    """Waveform to latents and codes.

    The codes come from the convolutions and the norm that the quantizer was trained behind. The convolutions run once
    where fine-tuning has left them as they were, else a second time for the codes.
    """

    def __init__(self, model: CtcModel) -> None:
        super().__init__()
        self.encoder = rearranged(model.backbone.feature_extractor)
        # None rather than the same module twice: the exporter wraps modules, and finds no two of them identical.
        pretrained = model.convolutions_are_pretrained()
        self.code_encoder = None if pretrained else rearranged(model.quantizer_encoder)
        self.latent_norm = model.backbone.feature_projection.layer_norm
        self.code_norm = model.quantizer_norm
        self.code_projection = model.quantizer.weight_proj
        self.groups, self.entries = model.quantizer.groups, model.quantizer.entries

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N) to latents (B, T, C), code_ids (B, T, G), code_probs (B, T, G, V)."""
        features = self.encoder(waveform)
        code_features = features if self.code_encoder is None else self.code_encoder(waveform)
        scores = self.code_projection(self.code_norm(code_features)).unflatten(-1, (self.groups, self.entries))
        return self.latent_norm(features), scores.argmax(dim=-1), scores.softmax(dim=-1)


def fold(model: CtcModel) -> CtcModel:
    """A copy for inference: evaluation mode, float32, the weight norm of the positional convolution multiplied out."""
    folded = copy.deepcopy(model).float().eval()
    positions = folded.backbone.encoder.pos_conv_embed
    normed = positions.conv
    # A new convolution: torch removes a parametrization from the class, which the copy shares with the original.
    plain = nn.Conv1d(
        normed.in_channels,
        normed.out_channels,
        normed.kernel_size[0],
        padding=normed.padding[0],
        groups=normed.groups,
    )
    plain.load_state_dict({"weight": normed.weight.detach(), "bias": cast(Tensor, normed.bias).detach()})
    positions.conv = plain
    return folded.eval().requires_grad_(False)


def trace(model: CtcModel, metadata: Mapping[str, str]) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The features and the context graph of a folded model. Raises ExportError."""
    config = model.backbone.config
    frames = 60
    samples = config.receptive_field_samples + (frames - 1) * config.stride_samples
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn(2, samples, generator=generator) * 0.1
    latents = torch.randn(2, frames, config.conv_channels[-1], generator=generator)
    time_mask = torch.zeros(2, frames, dtype=torch.bool)
    time_mask[:, 10:20] = True
    lengths = torch.tensor([frames, frames - 7])
    batch, length = Dim("batch"), Dim("frames", min=1)
    free = ({0: batch, 1: Dim("samples", min=config.receptive_field_samples)},)
    features_proto = _trace(FeaturesGraph(model), (waveform,), free, FEATURES)
    rows = {0: batch, 1: length}
    context_proto = _trace(ContextGraph(model), (latents, time_mask, lengths), (rows, rows, {0: batch}), CONTEXT)
    use_row_products(context_proto, next(iter(CONTEXT.inputs)))
    keep_sums_apart(context_proto)
    return _finish(features_proto, FEATURES, metadata), _finish(context_proto, CONTEXT, metadata)


def _trace(module: nn.Module, example: tuple[Tensor, ...], free: tuple[Any, ...], form: GraphForm) -> onnx.ModelProto:
    size = sum(weight.numel() * 4 for weight in module.parameters())
    if size > LARGEST_BYTES:
        raise ExportError(f"a graph of {size / 1e9:.1f} GB does not fit in one ONNX file (2 GB): use a smaller model")
    try:
        with _quiet():
            program = torch.onnx.export(
                module.eval(),
                example,
                dynamo=True,
                dynamic_shapes=free,
                input_names=list(form.inputs),
                output_names=list(form.outputs),
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch raises many kinds, the reason in the first line
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"torch {torch.__version__} cannot export this model ({reason}): use the torch version of this project"
        ) from error
    if program is None:
        raise ExportError("torch gave no ONNX program: use the torch version of this project")
    proto: onnx.ModelProto = program.model_proto
    return proto


def _finish(proto: onnx.ModelProto, form: GraphForm, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Name the free axes, leave out the exporter's notes (source paths among them), add ours."""
    free = form.inputs | form.outputs
    for value in (*proto.graph.input, *proto.graph.output):
        for axis, name in free[value.name].items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    _forget_origin(proto.graph)
    for function in proto.functions:
        _forget_origin(function)
    del proto.metadata_props[:]
    proto.doc_string = ""
    onnx.helper.set_model_props(proto, {key: str(value) for key, value in sorted(metadata.items())})
    return proto


def _forget_origin(graph: Any) -> None:
    graph.doc_string = ""
    del graph.metadata_props[:]
    for kind in ("node", "value_info", "initializer", "input", "output"):
        for item in getattr(graph, kind, ()):
            if isinstance(item, str):
                continue
            item.doc_string = ""
            del item.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's warnings concern its authors; its errors are raised."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
