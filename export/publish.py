"""Checkpoint to bundle: load, fold, trace, compare, and only then appear under the wanted name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import onnx

from engine import config as configuration
from engine.config import ConfigError, MaskingConfig, RunConfig
from engine.events import CHECKPOINT_FOLDER, CONFIG_FILE, TRAINABLE_FILE
from engine.model.ctc import CtcModel
from engine.text.ngram.packed import PACKED_MODEL_FILE
from engine.text.pronunciation import LEXICON_FILES
from engine.text.vocabulary import Vocabulary, VocabularyError
from engine.training.checkpoint import (
    Checkpoint,
    build_ctc_model,
    find_checkpoint,
    lexicon_of,
    load_checkpoint,
)
from export.bundle import (
    BUNDLE_FILES,
    CARD_FILE,
    CONTEXT_FILE,
    DECODING_FILE,
    FEATURES_FILE,
    LANGUAGE_MODEL_FILES,
    VOCABULARY_FILE,
    BundleCard,
    open_bundle,
    weights_hash,
    write_card,
)
from export.graph import OPSET, fold, trace
from export.half import round_weights, store_half
from export.place import refuse_occupied, workplace
from export.trainable import write_trainable
from export.variants import Measured, choose
from export.verify import check, compare, compare_models

Weights = Literal["fp32", "fp16", "int8"]
FOR_DECODING = (DECODING_FILE, *LANGUAGE_MODEL_FILES, *LEXICON_FILES)


@dataclass(frozen=True)
class BundleRequest:
    """What the person chose. An empty `name` takes the folder's; without a `check` manifest the shipped clips serve."""

    name: str = ""
    weights: Weights = "fp32"
    description: str = ""
    licence: str = ""
    language: str = "en"
    force: bool = False
    measure: Measured = "all"
    check: Path | None = None
    trainable: bool = False


def publish(source: Path, out: Path, request: BundleRequest, say: Callable[[str], None]) -> BundleCard:
    """Write the bundle of the checkpoint (or run) at `source` to the folder `out`.

    Nothing appears at `out` before everything is compared and complete. Raises ExportError, CheckpointError,
    BundleError or OSError.
    """
    refuse_occupied(out, (*BUNDLE_FILES, TRAINABLE_FILE, *FOR_DECODING), CARD_FILE, request.force)
    path = find_checkpoint(source)
    say(f"reading {path}")
    checkpoint = load_checkpoint(path)
    model = build_ctc_model(checkpoint).eval()
    vocabulary = checkpoint.vocabulary
    assert vocabulary is not None  # build_ctc_model refuses checkpoints without one
    card = describe(checkpoint, vocabulary, request, path, out)
    with workplace(out) as place:
        folder = place.folder
        parity = write_graphs(model, card, vocabulary, folder, say)
        table = choose(model, vocabulary, folder, request.weights, request.measure, request.check, say)
        card = replace(
            card,
            parity=parity,
            precisions=table,
            weights_sha256=weights_hash(folder),
            parameters=used_parameters(model),
        )
        vocabulary.save(folder / VOCABULARY_FILE)
        take_language_model(checkpoint, path, vocabulary, folder, say)
        take_lexicon(checkpoint, path, folder, say)
        keep_for_decoding(out, vocabulary, checkpoint.phones, folder, say)
        if request.trainable:
            write_trainable(checkpoint, folder)
        write_card(folder, card)
        open_bundle(folder)
        place.move_into_place()
    return card


def take_language_model(
    checkpoint: Checkpoint, path: Path, vocabulary: Vocabulary, folder: Path, say: Callable[[str], None]
) -> None:
    """A model fine-tuned from a bundle keeps its language model and decoding weights, where letters are the same.

    If the run has adapted that language model to its transcripts, the checkpoint at `path` lies in its folder.
    """
    if not checkpoint.config.ctc.checkpoint:
        return
    start = Path(checkpoint.config.ctc.checkpoint)
    language_model = next((start / name for name in LANGUAGE_MODEL_FILES if (start / name).is_file()), None)
    if language_model is None:
        return
    try:
        if Vocabulary.load(start / VOCABULARY_FILE) != vocabulary:
            return
    except VocabularyError:
        return
    if _phones_of(start) != checkpoint.phones:
        say(f"leaving the language model of {start}, which goes with other phones than this model's")
        return
    adapted = path.parent.parent / PACKED_MODEL_FILE
    if path.parent.name == CHECKPOINT_FOLDER and adapted.is_file():
        language_model = adapted
        say(f"taking the language model of {start}, adapted to the transcripts")
    else:
        say(f"taking the language model of {start}")
    for file in (language_model, *(start / name for name in LEXICON_FILES), start / DECODING_FILE):
        if file.is_file() and not file.is_symlink():
            shutil.copyfile(file, folder / file.name)


def take_lexicon(checkpoint: Checkpoint, path: Path, folder: Path, say: Callable[[str], None]) -> None:
    """A model that knows phones gets the lexicon of its run, which has the words of its training too."""
    if not checkpoint.phones:
        return
    lexicon = lexicon_of(path, checkpoint.config)
    if lexicon is None:
        say(f"no lexicon beside {path}: put one into the bundle as {LEXICON_FILES[0]}, to find words by their phones")
        return
    say(f"taking the lexicon {lexicon}")
    for name in LEXICON_FILES:
        (folder / name).unlink(missing_ok=True)
    shutil.copyfile(lexicon, folder / LEXICON_FILES[0 if lexicon.suffix == ".gz" else 1])


def keep_for_decoding(
    out: Path, vocabulary: Vocabulary, phones: tuple[str, ...], folder: Path, say: Callable[[str], None]
) -> None:
    """What somebody put for decoding into the bundle that is replaced stays, where letters and phones are the same.

    Files that the new bundle brings itself come first.
    """
    try:
        same = Vocabulary.load(out / VOCABULARY_FILE) == vocabulary and _phones_of(out) == phones
    except VocabularyError:
        return
    for names in ((DECODING_FILE,), LANGUAGE_MODEL_FILES, LEXICON_FILES):
        kept = [name for name in names if (out / name).is_file() and not (out / name).is_symlink()]
        if same and kept and not any((folder / name).exists() for name in names):
            say(f"keeping {kept[0]} of the bundle before")
            shutil.copyfile(out / kept[0], folder / kept[0])


def _phones_of(bundle: Path) -> tuple[str, ...]:
    """Those that a bundle's card lists; none where it cannot be read."""
    try:
        return tuple(json.loads((bundle / CARD_FILE).read_text(encoding="utf-8")).get("phones", ()))
    except (OSError, ValueError, AttributeError, TypeError):
        return ()


def write_graphs(
    model: CtcModel, card: BundleCard, vocabulary: Vocabulary, folder: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Write both graphs into `folder` and compare them with `model`. Returns the card's `parity`."""
    inference = fold(model)
    reference = model
    if card.weights == "fp16":
        round_weights(inference)
        reference = inference
    say("exporting the graphs")
    protos = trace(inference, graph_metadata(card, vocabulary))
    for proto, name in zip(protos, (FEATURES_FILE, CONTEXT_FILE), strict=True):
        if card.weights == "fp16":
            store_half(proto)
        onnx.save(proto, folder / name)
    say("comparing ONNX Runtime with PyTorch")
    found = compare(reference, folder / FEATURES_FILE, folder / CONTEXT_FILE)
    check(found)
    parity = dict(found.largest)
    if card.weights == "fp16":
        parity["fp16_rounding"] = compare_models(model, inference)
    say("largest differences: " + ", ".join(f"{name} {value:.2g}" for name, value in parity.items()))
    return parity


def describe(
    checkpoint: Checkpoint, vocabulary: Vocabulary, request: BundleRequest, path: Path, out: Path
) -> BundleCard:
    """The card as far as it is known before the graphs exist."""
    config, model = checkpoint.config, checkpoint.config.model
    masking = pretraining_masking(config)
    run = checkpoint.run or (path.parent.parent.name if path.parent.name == CHECKPOINT_FOLDER else path.stem)
    return BundleCard(
        name=request.name or out.resolve().name,
        stride_samples=model.stride_samples,
        receptive_field_samples=model.receptive_field_samples,
        feature_norm=model.feature_norm,
        normalize_waveform=model.normalize_waveform,
        blank=vocabulary.blank,
        separator=vocabulary.separator,
        phones=list(checkpoint.phones),
        channels=model.conv_channels[-1],
        codebook_groups=model.codebook_groups,
        codebook_entries=model.codebook_entries,
        mask_prob=masking.time_prob,
        mask_length=masking.time_length,
        mask_min_spans=masking.time_min_spans,
        weights=request.weights,
        codebook_trained=checkpoint.codebook_trained,
        origin_run=Path(run).name,
        language=request.language,
        licence=request.licence,
        description=request.description or config.name,
        opset=OPSET,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def pretraining_masking(config: RunConfig) -> MaskingConfig:
    """The masks of the pre-training behind a CTC run (its own are weaker): those of the run that it started from
    where that is still here, else the published rule."""
    start = Path(config.ctc.checkpoint) if config.ctc.checkpoint else None
    for folder in (start, start.parent.parent) if start else ():
        try:
            before = configuration.load(folder / CONFIG_FILE)
        except ConfigError:
            continue
        if before.task == "pretrain":
            return before.masking
    return MaskingConfig()


def graph_metadata(card: BundleCard, vocabulary: Vocabulary) -> dict[str, str]:
    """What someone who has only the .onnx file needs to use it."""
    table = {token: place for place, token in enumerate(vocabulary.tokens)}
    normalize = "by the caller: zero mean, unit variance of each row's valid samples" if card.normalize_waveform else ""
    return {
        "name": card.name,
        "sample_rate": str(card.sample_rate),
        "stride_samples": str(card.stride_samples),
        "receptive_field_samples": str(card.receptive_field_samples),
        "feature_norm": card.feature_norm,
        "normalize_waveform": normalize or "no",
        "vocabulary": json.dumps(table, ensure_ascii=False),
        "blank": str(card.blank),
        "separator": card.separator,
        "phones": " ".join(card.phones),
        "weights": card.weights,
        "codebook_trained": str(card.codebook_trained).lower(),
        "origin_run": card.origin_run,
        "licence": card.licence,
        "opset": str(card.opset),
        "format_version": str(card.format_version),
    }


def used_parameters(model: CtcModel) -> int:
    """Weights behind both graphs, those of the weight norm multiplied out."""
    gains = model.backbone.encoder.pos_conv_embed.get_parameter("conv.parametrizations.weight.original0")
    parts = [model.backbone, model.head, model.quantizer_norm, model.quantizer.weight_proj]
    if not model.convolutions_are_pretrained():
        parts.append(model.quantizer_encoder)
    return sum(weight.numel() for part in parts for weight in part.parameters()) - gains.numel()
