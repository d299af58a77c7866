"""From a model of elsewhere to a checkpoint of this engine, with the codebook that it has, is given, or is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from engine.config import ModelConfig, RunConfig
from engine.exchange.published_model import PublishedModel
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.training.checkpoint import Checkpoint, CheckpointError, build_ctc_model, build_pretraining_model

ENCODER, NORM = "wav2vec2.feature_extractor.", "wav2vec2.feature_projection.layer_norm."
CODEBOOK_SIZES = ("codebook_groups", "codebook_entries", "codevector_dim", "final_dim")
ENCODER_SIZES = ("feature_norm", "conv_channels", "conv_kernels", "conv_strides", "conv_bias", "normalize_waveform")
SAME = 1e-6
"""Largest difference between weights of a feature encoder that still counts as none: the rounding of another format."""
SEED = 1


def _part(weights: Mapping[str, Tensor], prefix: str, new: str = "") -> dict[str, Tensor]:
    return {new + name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def codebook_of(parent: PublishedModel) -> dict[str, Tensor]:
    """The parent's quantizer by the CTC model's names, with the encoder and norm it was trained behind."""
    if parent.kind == "pretraining" and parent.codebook_trained:
        return {
            **_part(parent.weights, "quantizer.", "quantizer."),
            **_part(parent.weights, NORM, "quantizer_norm."),
            **_part(parent.weights, ENCODER, "quantizer_encoder."),
        }
    if parent.codebook and parent.codebook_trained:
        return dict(parent.codebook)
    raise CheckpointError(
        f"{parent.origin} has no trained codebook to give: name the pre-trained checkpoint that the fine-tuning "
        "began from (Wav2Vec2ForPreTraining, or fairseq's pre-trained .pt)"
    )


def refuse_other_parent(child: PublishedModel, parent: PublishedModel, codebook: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError unless the child's feature encoder is the parent's: only then do codes mean the same."""
    ours, theirs = child.config.model, parent.config.model
    other = [f"{name} {getattr(ours, name)} and {getattr(theirs, name)}" for name in ENCODER_SIZES]
    other = [
        line for line, name in zip(other, ENCODER_SIZES, strict=True) if getattr(ours, name) != getattr(theirs, name)
    ]
    if other:
        raise CheckpointError(
            f"{parent.origin} is not the parent of {child.origin}: their feature encoders differ in {'; '.join(other)}"
        )
    kept = _part(codebook, "quantizer_encoder.")
    differences = {
        name: float((value - kept[name]).abs().max()) for name, value in _part(child.weights, ENCODER).items()
    }
    worst = max(differences, key=differences.__getitem__)
    if not differences[worst] <= SAME:
        raise CheckpointError(
            f"{parent.origin} is not the parent of {child.origin}, or its convolutions were trained further: the "
            f"feature encoders differ by up to {differences[worst]:.3g} (in {worst}; at most {SAME:g} is allowed), and "
            "codes chosen behind another encoder mean something else"
        )


def assemble(model: PublishedModel, parent: PublishedModel | None = None) -> Checkpoint:
    """The checkpoint. Raises CheckpointError where `parent` cannot give its codebook to `model`."""
    run = name_run(model)
    if model.kind == "ctc":
        return _ctc_checkpoint(model, run, parent)
    if parent is not None:
        raise CheckpointError(f"{model.origin} is not fine-tuned: --codebook is for CTC checkpoints, leave it out")
    weights, trained = model.weights, model.codebook_trained
    if model.kind == "backbone":
        model.notes.append(
            "it holds the network alone: quantizer and projections are those of random weights, so its codes mean "
            "nothing until it is pre-trained further; fine-tuning does not need them"
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            fresh = PretrainingModel(run).state_dict()
        weights, trained = fresh | weights, False
    checkpoint = Checkpoint(run, 0, weights, None, None, model.origin, trained)
    build_pretraining_model(checkpoint)
    return checkpoint


def name_run(model: PublishedModel) -> RunConfig:
    """The config, with a name and a line on where it comes from."""
    return replace(model.config, name=model.config.name or "imported", expects=f"Imported from {model.origin}.")


def _ctc_checkpoint(model: PublishedModel, run: RunConfig, parent: PublishedModel | None) -> Checkpoint:
    trained, codebook = model.codebook_trained, model.codebook
    if parent is not None:
        codebook, trained = codebook_of(parent), True
        refuse_other_parent(model, parent, codebook)
        # The same up to rounding, so that one copy of the convolutions serves both in a bundle.
        codebook |= _part(model.weights, ENCODER, "quantizer_encoder.")
        run = replace(run, model=_with_codebook_sizes(run.model, parent.config.model))
    elif not codebook:
        codebook, trained = draw_codebook(model, run), False
        model.notes.append(
            "it holds no codebook: its codes are those of random weights and are marked so; take the codebook of the "
            "pre-trained checkpoint it began from with --codebook PARENT"
        )
    if model.vocabulary is None:
        raise CheckpointError(f"{model.origin} came without letters: give them with --vocabulary vocab.json")
    weights = {
        **_part(model.weights, "wav2vec2.", "backbone."),
        **_part(model.weights, "head.", "head."),
        **codebook,
    }
    checkpoint = Checkpoint(run, 0, weights, model.vocabulary, None, model.origin, trained)
    build_ctc_model(checkpoint)
    return checkpoint


def draw_codebook(model: PublishedModel, run: RunConfig) -> dict[str, Tensor]:
    """A quantizer of random weights behind the model's own encoder and norm; the same at each import."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        fresh = CtcModel(run, 1).quantizer.state_dict()
    return {
        **{f"quantizer.{name}": value for name, value in fresh.items()},
        **_part(model.weights, NORM, "quantizer_norm."),
        **_part(model.weights, ENCODER, "quantizer_encoder."),
    }


def _with_codebook_sizes(model: ModelConfig, parent: ModelConfig) -> ModelConfig:
    return replace(model, **{name: getattr(parent, name) for name in CODEBOOK_SIZES})
