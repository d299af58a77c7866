"""Every setting of a run, typed, with its unit; read from TOML or JSON; unknown keys are refused. No torch here.

A run has one `RunConfig`. Its sections are the frozen dataclasses below; the comment line above a field is its
documentation, and `describe()` turns those into the command line's help.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Task = Literal["pretrain", "finetune"]
Section = TypeVar("Section")


class ConfigError(ValueError):
    """A setting that cannot be used. The message names the key, the value and the remedy."""


def setting(default: Any, doc: str) -> Any:
    """A dataclass field with its documentation (and unit) attached."""
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata={"doc": doc})
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and variants of the network (paper section 2; wav2vec 2.0 BASE unless said otherwise)."""

    feature_norm: Literal["layer", "group"] = setting(
        "layer",
        "norm of the convolutions: layer (every layer, over channels) or group (first layer, over time)",
    )
    conv_channels: tuple[int, ...] = setting((512,) * 7, "output channels of each convolution")
    conv_kernels: tuple[int, ...] = setting((10, 3, 3, 3, 3, 2, 2), "kernel of each convolution, in its inputs")
    conv_strides: tuple[int, ...] = setting((5, 2, 2, 2, 2, 2, 2), "stride of each convolution, in its inputs")
    conv_bias: bool = setting(True, "whether the convolutions have a bias (false in group-norm BASE)")
    layer_norm_first: bool = setting(True, "pre-LN Transformer (true) or post-LN (false, BASE)")
    embed_dim: int = setting(768, "width D of the Transformer, channels")
    ffn_dim: int = setting(3072, "inner width of the feed-forward blocks, channels")
    layers: int = setting(12, "Transformer layers")
    heads: int = setting(12, "attention heads; must divide embed_dim")
    position_kernel: int = setting(128, "kernel of the convolutional position embedding, frames")
    position_groups: int = setting(16, "groups of the convolutional position embedding; must divide embed_dim")
    codebook_groups: int = setting(2, "codebooks G of the product quantizer")
    codebook_entries: int = setting(320, "entries V in each codebook")
    codevector_dim: int = setting(256, "size of the concatenated codevectors; must be a multiple of G")
    final_dim: int = setting(256, "size in which contexts and targets are compared")
    adapter_dim: int = setting(0, "inner width of each layer's language adapter (MMS, pre-LN only); 0 has none")
    normalize_waveform: bool = setting(False, "zero mean and unit variance per utterance before the network")

    def __post_init__(self) -> None:
        """Refuse sizes that contradict each other."""
        if not len(self.conv_channels) == len(self.conv_kernels) == len(self.conv_strides):
            raise ConfigError(
                f"model.conv_channels, conv_kernels and conv_strides need one value a layer each, but have "
                f"{len(self.conv_channels)}, {len(self.conv_kernels)} and {len(self.conv_strides)}"
            )
        for name, whole, part in (
            ("heads", self.embed_dim, self.heads),
            ("position_groups", self.embed_dim, self.position_groups),
        ):
            if part < 1 or whole % part:
                raise ConfigError(f"model.{name}={part} must divide model.embed_dim={whole}")
        if self.adapter_dim and not self.layer_norm_first:
            raise ConfigError(f"model.adapter_dim={self.adapter_dim} needs model.layer_norm_first=true, as in MMS")
        if self.codebook_groups < 1 or self.codevector_dim % self.codebook_groups:
            raise ConfigError(
                f"model.codevector_dim={self.codevector_dim} must be a multiple of "
                f"model.codebook_groups={self.codebook_groups}"
            )

    @property
    def stride_samples(self) -> int:
        """Samples from one frame to the next: 320."""
        stride = 1
        for step in self.conv_strides:
            stride *= step
        return stride

    @property
    def receptive_field_samples(self) -> int:
        """Samples that one frame sees: 400."""
        size, step = 1, 1
        for kernel, stride in zip(self.conv_kernels, self.conv_strides, strict=True):
            size += (kernel - 1) * step
            step *= stride
        return size

    def frame_count(self, samples: int) -> int:
        """Frames the convolutions give for `samples`; 0 where the waveform is shorter than the receptive field."""
        for kernel, stride in zip(self.conv_kernels, self.conv_strides, strict=True):
            samples = (samples - kernel) // stride + 1
            if samples < 1:
                return 0
        return samples


@dataclass(frozen=True)
class DropoutConfig:
    """Dropout probabilities (reference section 8). Fine-tuning replaces the values of pre-training."""

    dropout: float = setting(0.1, "encoder input, after attention and after the feed-forward block, 0 to 1")
    attention: float = setting(0.1, "attention probabilities, 0 to 1")
    activation: float = setting(0.0, "inside the feed-forward block, 0 to 1")
    input: float = setting(0.1, "projected features, 0 to 1")
    features: float = setting(0.1, "features that feed the quantizer, 0 to 1")
    final: float = setting(0.0, "before the CTC head, 0 to 1")
    layerdrop: float = setting(0.05, "chance that a whole Transformer layer is skipped in a step, 0 to 1")


@dataclass(frozen=True)
class MaskingConfig:
    """Span masks over frames, and over channels in fine-tuning (paper section 3.1; reference section 11)."""

    time_prob: float = setting(0.65, "spans x length / frames: 0.65 masks about 49 % of the frames; 0 turns it off")
    time_length: int = setting(10, "frames in a span (20 ms each)")
    time_min_spans: int = setting(2, "least spans in each row")
    channel_prob: float = setting(0.0, "spans x length / channels; fine-tuning only; 0 turns it off")
    channel_length: int = setting(64, "channels in a span")


SPECTRUM_BANDS = 64
"""Mel bands of objective.spectra, given by as many channels."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """The pre-training loss (paper section 3.2, equations 2 to 4; reference sections 10, 12, 13)."""

    negatives: int = setting(100, "distractors K drawn for each masked frame")
    logit_temperature: float = setting(0.1, "divides the cosine similarities")
    diversity_weight: float = setting(0.1, "weight of the codebook diversity loss")
    penalty_weight: float = setting(0.0, "weight of the mean square of the features (10 for group norm)")
    feature_grad_mult: float = setting(1.0, "scale of the gradient into the convolutions (0.1 for group norm)")
    center_codes: bool = setting(
        False, "start the quantizer's bias where the first batch's mean logits are 0, against an early collapse"
    )
    spectra: bool = setting(
        False,
        "teach only the convolutions, and them the log mel spectrum: a start for small pre-trainings (--from), which "
        "is not of the paper",
    )
    gumbel_start: float = setting(2.0, "Gumbel temperature at the first update")
    gumbel_min: float = setting(0.5, "least Gumbel temperature")
    gumbel_decay: float = setting(0.999995, "factor on the Gumbel temperature at each update")


@dataclass(frozen=True)
class CtcConfig:
    """Fine-tuning with CTC (reference sections 15 and 16)."""

    checkpoint: str | None = setting(
        None, "pre-trained checkpoint to start from; none trains the same network from random weights"
    )
    vocabulary: str | None = setting(None, "vocab.json to use; none takes the 28 English symbols")
    freeze_updates: int = setting(0, "updates in which only the CTC head learns")
    train_convolutions: bool = setting(False, "let the convolutions learn too (the recipes keep them frozen)")
    prior_weight: float = setting(
        0.0,
        "0 to 1: divide the symbols' probabilities by their mean to this power in the loss, so that a small model with "
        "few labels does not stay at blanks (arXiv 2406.02560); 0 as published",
    )
    prior_updates: int = setting(0, "updates in which ctc.prior_weight falls to 0, evenly; 0 keeps it")
    lexicon: str | None = setting(
        None,
        "pronunciations, lines of WORD<tab>P H O N E S: the head learns phones beside letters, for decoding with a "
        "language model; none takes that of the bundle it starts from",
    )
    adapt_language_model: bool = setting(
        True,
        "where the bundle that it starts from finds words by phones with a language model (lm.npz), teach that one the "
        "words and turns of phrase of the transcripts too",
    )
    phone_weight: float = setting(1.0, "weight of the phones' loss beside that of the letters, above 0")
    crf_weight: float | None = setting(
        None,
        "0 to 1: how much of the phones' loss is CTC-CRF, which sets the right sequence against all others (Xiang and "
        "Ou, 2019, who take 0.9 and more); 0 is CTC alone, none takes that of the checkpoint it starts from, or 0",
    )
    layers: int = setting(
        0,
        "Transformer layers to have: those that the checkpoint lacks are put on top, and begin by changing nothing "
        "(pre-LN only); 0 keeps the checkpoint's",
    )
    ffn_dim: int = setting(
        0,
        "feed-forward units of each layer to have: those that the checkpoint lacks begin by changing nothing; 0 keeps "
        "the checkpoint's",
    )

    def __post_init__(self) -> None:
        """Raise ConfigError for a weight out of range."""
        if not 0 <= self.prior_weight <= 1 or self.prior_updates < 0:
            raise ConfigError("ctc.prior_weight must lie between 0 and 1, and ctc.prior_updates be 0 or more")
        if self.phone_weight <= 0 or self.layers < 0 or self.ffn_dim < 0:
            raise ConfigError("ctc.phone_weight must be above 0, and ctc.layers and ctc.ffn_dim be 0 or more")
        if self.crf_weight is not None and not 0 <= self.crf_weight <= 1:
            raise ConfigError("ctc.crf_weight must lie between 0 and 1")


@dataclass(frozen=True)
class DataConfig:
    """Data and what is done to the audio while training."""

    train: tuple[str, ...] = setting((), "data to train on: manifests, tables, folders (docs/data-formats.md)")
    valid: tuple[str, ...] = setting((), "data for evaluation; none goes without")
    weights: tuple[float, ...] = setting((), "how often each of data.train is passed over per epoch; none: once")
    root: str | None = setting(None, "folder that the paths in manifests are relative to; none: the manifest's own")
    normalize: Literal["auto", "always", "never"] = setting(
        "auto",
        "bring transcripts into the vocabulary's case, without its missing punctuation; auto: all but those of "
        "manifests, which are taken as they stand",
    )
    shards_per_epoch: int = setting(16, "shards of a lhotse Shar source that make an epoch, of some 1,000 clips each")
    exclude: str | None = setting(None, "regular expression; matching paths are left out of train")
    min_s: float = setting(0.3, "shortest clip used, seconds")
    max_s: float = setting(25.0, "longest clip used in fine-tuning, seconds; longer ones are left out")
    crop_s: float = setting(15.6, "longest piece used in pre-training, seconds; longer clips are cropped at random")
    gain_db: float = setting(0.0, "random gain, up to this many decibels up or down")
    speed: float = setting(0.0, "random speed (and pitch) change, up to this share: 0.1 gives 0.9 to 1.1")
    noise_db: float = setting(0.0, "noise down to this signal-to-noise ratio, decibels; 0 turns it off")
    noise: tuple[str, ...] = setting((), "recordings of noise: folders, manifests; none takes white and pink noise")
    reverb: float = setting(0.0, "chance that a clip is put into a room, 0 to 1")
    impulse_responses: str | None = setting(None, "recorded impulse responses of rooms; none makes up random rooms")
    rooms: int = setting(32, "how many random rooms are made up, at the start of the run")
    join: float = setting(0.0, "chance that a short clip is joined with further ones of the same manifest, 0 to 1")
    join_s: float = setting(6.0, "longest joined clip, seconds")
    bucketing: Literal["sorted", "lhotse"] = setting(
        "sorted",
        "how rows of like length come together: sorted by length (least padding), or lhotse's DynamicBucketingSampler "
        "(30 buckets, more random)",
    )
    length_buckets: tuple[float, ...] = setting(
        (),
        "fixed lengths of batches for torch.compile and cuDNN: seconds, or one whole number, how many to choose from "
        "the data's own; fine-tuning pads to them, pre-training crops; none: any length",
    )
    workers: int = setting(1, "threads that read and decode audio ahead")

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not 0 <= self.reverb <= 1:
            raise ConfigError(f"data.reverb={self.reverb} must lie between 0 and 1")
        if self.rooms < 1 or self.shards_per_epoch < 0:
            raise ConfigError("data.rooms must be above 0, data.shards_per_epoch 0 (all) or more")
        one = len(self.length_buckets) == 1
        if min(self.length_buckets, default=1) <= 0 or (one and not self.length_buckets[0].is_integer()):
            raise ConfigError(
                f"data.length_buckets={list(self.length_buckets)}: give two lengths or more, in seconds above 0, or "
                "one whole number, how many"
            )
        if self.noise and self.noise_db <= 0:
            raise ConfigError("data.noise is never heard while data.noise_db is 0: set it to 5 or 10 decibels")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW and the learning-rate schedule."""

    peak_lr: float = setting(5e-4, "highest learning rate")
    schedule: Literal["polynomial", "tri_stage", "constant"] = setting(
        "polynomial",
        "polynomial: warm up, then linearly to 0; tri_stage: warm up, hold, decay to 5 % of the peak",
    )
    warmup: float = setting(0.08, "share of the updates that warms up, 0 to 1")
    hold: float = setting(0.4, "share of the updates at the peak (tri_stage), 0 to 1")
    betas: tuple[float, float] = setting((0.9, 0.98), "Adam's averaging factors")
    eps: float = setting(1e-6, "Adam's epsilon")
    weight_decay: float = setting(0.01, "decoupled weight decay, on all parameters")
    clip_norm: float = setting(0.0, "gradient norm above which gradients are scaled down; 0 only measures it")


@dataclass(frozen=True)
class LoopConfig:
    """Length, batches, evaluation and saving."""

    updates: int = setting(1000, "optimizer updates in all")
    time_limit_s: float = setting(
        0.0,
        "wall-clock seconds after which the run finishes early; the schedule follows the clock then; 0: none",
    )
    batch_s: float = setting(60.0, "audio seconds in a micro-batch")
    accumulate: int = setting(1, "micro-batches summed in an update, by all processes together")
    seed: int = setting(1, "seed of weights, masks, negatives and batch order")
    device: str = setting("auto", "auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "fp32", "bf16"] = setting("auto", "auto: bf16 on a GPU that has it, else fp32")
    threads: int = setting(0, "CPU threads for the arithmetic; 0 leaves it to torch")
    sharding: Literal["none", "fsdp"] = setting(
        "none",
        "under torchrun: none keeps the whole model in each process (DDP); fsdp spreads weights, gradients and "
        "optimizer over all of them (FSDP2), for models above 1 B parameters",
    )
    activation_checkpointing: bool = setting(
        False, "compute each Transformer layer again in the backward pass: far less memory, about a third more time"
    )
    compile: Literal["off", "auto", "on"] = setting(
        "off", "torch.compile of the Transformer layers; auto: on a GPU; needs a C++ compiler"
    )
    log_every: int = setting(10, "updates between step events")
    evaluate_every: int = setting(200, "updates between evaluations; the last update always evaluates")
    checkpoint_every: int = setting(200, "updates between checkpoints; the last update always saves")
    keep_checkpoints: int = setting(2, "how many of the newest checkpoints stay, beside the best")


@dataclass(frozen=True)
class RunConfig:
    """All of a run."""

    task: Task = setting("pretrain", "pretrain or finetune")
    name: str = setting("", "name of the preset or of the run, for people")
    expects: str = setting("", "what to expect: data, hardware, time, score")
    model: ModelConfig = field(default_factory=ModelConfig)
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    ctc: CtcConfig = field(default_factory=CtcConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        """Refuse values outside what the method allows."""
        for key in ("dropout", "attention", "activation", "input", "features", "final", "layerdrop"):
            value = getattr(self.dropout, key)
            if not 0 <= value <= 1:
                raise ConfigError(f"dropout.{key}={value} must lie between 0 and 1")
        if self.loop.updates < 1 or self.loop.accumulate < 1 or self.loop.batch_s <= 0:
            raise ConfigError("loop.updates, loop.accumulate and loop.batch_s must be above 0")
        if self.objective.spectra and self.model.conv_channels[-1] < SPECTRUM_BANDS:
            raise ConfigError(
                f"objective.spectra needs {SPECTRUM_BANDS} channels or more at the end of model.conv_channels, not "
                f"{self.model.conv_channels[-1]}"
            )
        if self.data.weights and self.data.train and len(self.data.weights) != len(self.data.train):
            raise ConfigError(
                f"data.weights has {len(self.data.weights)} values for {len(self.data.train)} in data.train; "
                "give one for each, or none"
            )


def _choices(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def _convert(value: Any, hint: Any, key: str) -> Any:
    """`value` as the type that `hint` declares; text is parsed, so that --set and TOML give the same."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null", "")):
            return None
        return _convert(value, options[0], key)
    if origin is Literal:
        if value not in get_args(hint):
            allowed = ", ".join(map(str, get_args(hint)))
            raise ConfigError(f"{key}={value!r} is not one of: {allowed}")
        return value
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ConfigError(f"{key}={value!r} needs a list")
        inner = get_args(hint)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_convert(item, inner[0], key) for item in items if item != "")
        if len(items) != len(inner):
            raise ConfigError(f"{key}={value!r} needs {len(inner)} values")
        return tuple(_convert(item, kind, key) for item, kind in zip(items, inner, strict=True))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} is a section; set a value inside it, as in {key}.NAME=VALUE")
        return from_mapping(cast(type[Any], hint), value, key)
    return _convert_scalar(value, hint, key)


def _convert_scalar(value: Any, hint: Any, key: str) -> Any:
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no", "1", "0"):
            return value.lower() in ("true", "yes", "1")
    elif hint is str and isinstance(value, str):
        return value
    elif hint in (int, float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if number == number and (hint is float or number == int(number)):
            return hint(number)
    kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(hint, str(hint))
    raise ConfigError(f"{key}={value!r} must be {kind}")


def from_mapping(kind: type[Section], values: Mapping[str, Any], prefix: str = "") -> Section:
    """Build a config dataclass from nested mappings. Raises ConfigError naming an unknown key and a near one."""
    hints = get_type_hints(kind)
    known = [item.name for item in dataclasses.fields(cast(Any, kind))]
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}.{name}" if prefix else name
        if name not in known:
            raise ConfigError(f"unknown setting {key!r}: {_choices(name, known)}")
        arguments[name] = _convert(value, hints[name], key)
    return kind(**arguments)


def _merge(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def with_settings(config: RunConfig, settings: Sequence[str]) -> RunConfig:
    """A copy with `section.key=value` texts applied, as `--set` takes them. Raises ConfigError."""
    values = to_mapping(config)
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text!r}: write it as section.key=value, for example loop.updates=500")
        nested: dict[str, Any] = {}
        inner = nested
        *sections, name = key.strip().split(".")
        for section in sections:
            inner[section] = inner = {}
        inner[name] = value.strip()
        values = _merge(values, nested)
    return from_mapping(RunConfig, values)


def to_mapping(config: RunConfig | ModelConfig) -> dict[str, Any]:
    """Plain nested values, fit for JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def load(path: Path) -> RunConfig:
    """Read a TOML preset or a run's config.json. Raises ConfigError naming the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from error
    try:
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        if not isinstance(values, dict):
            raise ConfigError("it holds no sections")
        return from_mapping(RunConfig, values)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error


def save(config: RunConfig, path: Path) -> None:
    """Write `config` as JSON, whole or not at all."""
    part = path.with_name(path.name + ".tmp")
    part.write_text(json.dumps(to_mapping(config), indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def describe(kind: type[Any] = RunConfig, prefix: str = "") -> list[tuple[str, str, str]]:
    """(key, default, documentation) of every setting, for help pages and forms."""
    rows: list[tuple[str, str, str]] = []
    hints = typing.get_type_hints(kind)
    for item in dataclasses.fields(kind):
        key = f"{prefix}.{item.name}" if prefix else item.name
        if dataclasses.is_dataclass(hints[item.name]):
            rows += describe(cast(type[Any], hints[item.name]), key)
        else:
            default = item.default if item.default is not dataclasses.MISSING else ""
            rows.append((key, str(default), str(item.metadata.get("doc", ""))))
    return rows
