"""Both sides of the training benchmark: transformers' model and ours, fed the same batches; each an `update`.

`Theirs` is what a user of transformers writes: its model in its defaults (scaled dot product attention), its loss,
torch's AdamW, backward, step. `Ours` is what the engine's loop does for an update.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.config import DropoutConfig, MaskingConfig, ModelConfig, ObjectiveConfig, RunConfig, load
from engine.data.audio import SAMPLE_RATE
from engine.masking import draw_distractors, draw_time_mask
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.training.device import autocast
from engine.training.losses import ctc_loss, pretraining_loss
from engine.training.optimizer import build_optimizer, divide_gradients

PRESETS = Path(__file__).resolve().parents[1] / "resources" / "presets"
VOCABULARY = 32
LETTERS_PER_S = 14.5
"""Of read English; of LibriSpeech, about."""
LIBRISPEECH_S = ((0.05, 2.5), (0.1, 4.0), (0.25, 9.0), (0.5, 13.8), (0.75, 15.2), (0.95, 16.3), (1.0, 20.0))
"""Lengths of its training clips: share of the clips, seconds that they are shorter than (rounded)."""
NO_DROPOUT = DropoutConfig(**{field.name: 0.0 for field in dataclasses.fields(DropoutConfig)})
TINY = ModelConfig(
    feature_norm="group",
    conv_channels=(64,) * 7,
    conv_bias=False,
    layer_norm_first=False,
    embed_dim=96,
    ffn_dim=192,
    layers=3,
    heads=4,
    position_kernel=32,
    position_groups=4,
    codebook_entries=40,
    codevector_dim=64,
    final_dim=48,
)


@dataclass(frozen=True)
class Work:
    """What both sides compute. `size` base or small, `norm` group or layer, `lengths_s` of the rows."""

    size: str = "base"
    norm: str = "group"
    lengths_s: tuple[float, ...] = (10.0, 10.0)
    finetune: bool = False
    dropout: bool = True
    device: str = "cpu"
    precision: str = "fp32"
    learning_rate: float = 1e-5

    def config(self) -> RunConfig:
        """Published BASE with its pre-training dropouts, or a small model; what transformers does not have is off."""
        model = TINY if self.size == "small" else load(PRESETS / "base-pretrain.toml").model
        if self.norm == "layer":
            model = dataclasses.replace(model, feature_norm="layer", conv_bias=True, layer_norm_first=True)
        dropout = DropoutConfig(layerdrop=0.0) if self.dropout else NO_DROPOUT
        if self.finetune and self.dropout:
            dropout = dataclasses.replace(NO_DROPOUT, activation=0.1)  # of fairseq's fine-tuning, without layer drop
        return RunConfig(model=model, dropout=dropout, objective=ObjectiveConfig())


@dataclass
class Batch:
    """One update's input, numpy. `distractors` count among a row's masked frames; `flat` among all (transformers)."""

    waveform: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray
    distractors: np.ndarray
    flat: np.ndarray
    targets: np.ndarray
    target_lengths: np.ndarray

    @property
    def audio_s(self) -> float:
        return float(self.lengths.sum() / SAMPLE_RATE)


def draw_batch(work: Work, seed: int) -> Batch:
    """Noise in place of speech: the arithmetic is the same."""
    config, rng = work.config(), np.random.default_rng(seed)
    lengths = np.array([round(seconds * SAMPLE_RATE) for seconds in work.lengths_s])
    waveform = (0.1 * rng.standard_normal((len(lengths), lengths.max()))).astype(np.float32)
    for row, length in zip(waveform, lengths, strict=True):
        row[length:] = 0
    masking = MaskingConfig()
    frames = np.array([config.model.frame_count(int(length)) for length in lengths])
    mask = draw_time_mask(frames, masking.time_prob, masking.time_length, rng, equalize=not work.finetune)
    distractors = flat = np.zeros(0, dtype=np.int64)
    if not work.finetune:
        distractors = draw_distractors(mask, config.objective.negatives, rng)
        flat = flat_distractors(mask, distractors)
    target_lengths = np.array([max(1, round(seconds * LETTERS_PER_S)) for seconds in work.lengths_s])
    targets = rng.integers(5, VOCABULARY, size=(len(lengths), target_lengths.max()))
    return Batch(waveform, lengths, mask, distractors, flat, targets, target_lengths)


def flat_distractors(mask: np.ndarray, distractors: np.ndarray) -> np.ndarray:
    """(B, T, K) among all B x T frames; rows of unmasked frames, which count nowhere, point at their neighbours."""
    batch, frames = mask.shape
    flat = np.zeros((batch, frames, distractors.shape[-1]), dtype=np.int64)
    for row in range(batch):
        masked, others = np.flatnonzero(mask[row]), np.flatnonzero(~mask[row])
        flat[row, masked] = masked[distractors[row]] + row * frames
        flat[row, others] = row * frames + (others[:, None] + 1) % frames
    return flat


def librispeech_lengths(rows: int, seed: int = 0) -> tuple[float, ...]:
    """Seconds, drawn as the lengths of LibriSpeech's training clips are distributed, similar ones together."""
    shares, seconds = zip((0.0, 1.5), *LIBRISPEECH_S, strict=True)
    rng = np.random.default_rng(seed)
    pool = np.sort(np.interp(rng.random(rows * 8), shares, seconds))
    first = int(rng.integers(7)) * rows  # a batch of a length bucket
    return tuple(round(float(value), 2) for value in pool[first : first + rows])


def initial_weights(work: Work) -> dict[str, Tensor]:
    """Of our initialisation, which both sides load (transformers' own leaves the positions elsewhere)."""
    torch.manual_seed(0)
    config = work.config()
    model = CtcModel(config, VOCABULARY) if work.finetune else PretrainingModel(config)
    return model.state_dict()


class Ours:
    """The engine's model and update."""

    def __init__(self, work: Work) -> None:
        self.work, self.config, self.device = work, work.config(), torch.device(work.device)
        model = CtcModel(self.config, VOCABULARY) if work.finetune else PretrainingModel(self.config)
        model.load_state_dict(initial_weights(work))
        self.model = model.to(self.device).train()
        if isinstance(self.model, CtcModel):
            self.model.freeze_for(0, self.config.ctc)
        optimizer = dataclasses.replace(self.config.optimizer, peak_lr=work.learning_rate)
        self.optimizer = build_optimizer(self.model, optimizer, self.device)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        """Summed loss with its graph, its contrastive or CTC part, and by how much to divide it."""
        parts = {name: torch.from_numpy(value).to(self.device) for name, value in vars(batch).items()}
        with autocast(self.device, self.work.precision):
            if self.work.finetune:
                logits, frames = self.model(parts["waveform"], parts["lengths"], parts["mask"])
                targets = parts["targets"], parts["target_lengths"]
                loss = ctc_loss(logits, frames, *targets, blank=0)
                return loss, loss.detach(), len(logits)
            output = self.model(parts["waveform"], parts["mask"], parts["distractors"], 2.0)
        model = self.config.model
        loss = pretraining_loss(output, self.config.objective, model.codebook_groups * model.codebook_entries)
        return loss.total, loss.contrastive.detach(), loss.masked

    def update(self, batch: Batch) -> tuple[float, float]:
        """One optimizer update; returns the loss and its main part, each by masked frame or sentence."""
        self.optimizer.zero_grad(set_to_none=True)
        loss, main, count = self.loss(batch)
        loss.backward()
        divide_gradients(self.model.parameters(), count)
        self.optimizer.step()
        return loss.item() / count, main.item() / count


class Theirs:
    """transformers' model as its documentation uses it."""

    def __init__(self, work: Work) -> None:
        from transformers import Wav2Vec2ForCTC, Wav2Vec2ForPreTraining

        self.work, self.device = work, torch.device(work.device)
        config = transformers_config(work)
        model: nn.Module = Wav2Vec2ForCTC(config) if work.finetune else Wav2Vec2ForPreTraining(config)
        weights = {their_name(name): value for name, value in initial_weights(work).items()}
        if work.finetune:
            weights = {name: value for name, value in weights.items() if not name.startswith("quantizer")}
        model.load_state_dict(weights, strict=True)
        self.model = model.to(self.device).train()
        if work.finetune:
            self.model.freeze_feature_encoder()
        ours = work.config().optimizer
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=work.learning_rate,
            betas=ours.betas,
            eps=ours.eps,
            weight_decay=ours.weight_decay,
        )

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        """As `Ours.loss`."""
        parts = {name: torch.from_numpy(value).to(self.device) for name, value in vars(batch).items()}
        with autocast(self.device, self.work.precision):
            if self.work.finetune:
                places = torch.arange(parts["targets"].shape[1], device=self.device)
                labels = parts["targets"].masked_fill(places >= parts["target_lengths"][:, None], -100)
                samples = torch.arange(parts["waveform"].shape[1], device=self.device)
                attention = (samples < parts["lengths"][:, None]).long()
                loss = self.model(parts["waveform"], attention_mask=attention, labels=labels).loss
                return loss, loss.detach(), len(labels)
            output = self.model(
                parts["waveform"], mask_time_indices=parts["mask"], sampled_negative_indices=parts["flat"]
            )
        return output.loss, output.contrastive_loss.detach(), int(batch.mask.sum())

    def update(self, batch: Batch) -> tuple[float, float]:
        """As `Ours.update`."""
        self.optimizer.zero_grad()
        loss, main, count = self.loss(batch)
        (loss / count).backward()
        self.optimizer.step()
        return loss.item() / count, main.item() / count


SIDES: dict[str, type[Ours] | type[Theirs]] = {"ours": Ours, "transformers": Theirs}


def their_name(name: str) -> str:
    """Our parameter names follow transformers', save for prefixes and the CTC head."""
    if name.startswith("head."):
        return "lm_head." + name.removeprefix("head.")
    return name.replace("backbone.", "wav2vec2.")


def transformers_config(work: Work) -> object:
    """The same network, dropouts and objective in transformers' words."""
    from transformers import Wav2Vec2Config

    run = work.config()
    model, dropout, masking = run.model, run.dropout, MaskingConfig()
    return Wav2Vec2Config(
        feat_extract_norm=model.feature_norm,
        conv_dim=model.conv_channels,
        conv_bias=model.conv_bias,
        do_stable_layer_norm=model.layer_norm_first,
        hidden_size=model.embed_dim,
        intermediate_size=model.ffn_dim,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_conv_pos_embeddings=model.position_kernel,
        num_conv_pos_embedding_groups=model.position_groups,
        num_codevectors_per_group=model.codebook_entries,
        num_codevector_groups=model.codebook_groups,
        codevector_dim=model.codevector_dim,
        proj_codevector_dim=model.final_dim,
        num_negatives=run.objective.negatives,
        vocab_size=VOCABULARY,
        ctc_loss_reduction="sum",
        ctc_zero_infinity=True,
        hidden_dropout=dropout.dropout,
        attention_dropout=dropout.attention,
        activation_dropout=dropout.activation,
        feat_proj_dropout=dropout.input,
        feat_quantizer_dropout=dropout.features,
        final_dropout=dropout.final,
        layerdrop=dropout.layerdrop,
        mask_time_prob=masking.time_prob / masking.time_length,  # without it there is no mask embedding
        mask_time_length=masking.time_length,
    )


class EqualNoise:
    """In place of `gumbel_softmax`, with noise drawn for all frames, of which a side takes those that it quantizes."""

    def __init__(self, work: Work, batch: Batch, seed: int) -> None:
        model, generator = work.config().model, torch.Generator().manual_seed(seed)
        uniform = torch.rand(*batch.mask.shape, model.codebook_groups, model.codebook_entries, generator=generator)
        self.noise = -torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7))).to(work.device)
        self.mask = torch.from_numpy(batch.mask)

    def __call__(self, logits: Tensor, tau: float = 1.0, hard: bool = False, dim: int = -1) -> Tensor:
        assert hard
        noise = self.noise if logits.numel() == self.noise.numel() else self.noise[self.mask]
        soft = torch.softmax((logits + noise.view_as(logits)) / tau, dim=dim)
        chosen = nn.functional.one_hot(soft.argmax(dim=dim), soft.shape[dim]).to(soft)
        return chosen - soft.detach() + soft


@contextlib.contextmanager
def equal_choices(work: Work, batch: Batch, seed: int) -> Iterator[None]:
    """Both sides draw the same Gumbel noise for the same frame, and transformers masks the frames that we mask."""
    from transformers.models.wav2vec2 import modeling_wav2vec2

    kept = nn.functional.gumbel_softmax, modeling_wav2vec2._compute_mask_indices
    if not work.finetune:
        nn.functional.gumbel_softmax = EqualNoise(work, batch, seed)
    modeling_wav2vec2._compute_mask_indices = lambda *_, **__: batch.mask
    try:
        yield
    finally:
        nn.functional.gumbel_softmax, modeling_wav2vec2._compute_mask_indices = kept


def operations(work: Work, batch: Batch) -> float:
    """Floating point operations of the matrix products and convolutions in one update, forward and backward.

    Of valid frames; elementwise work, the comparison with distractors and what is computed again count nothing.
    """
    model, total = work.config().model, 0.0
    for length in batch.lengths:
        steps, channels, front = int(length), 1, 0.0
        for width, kernel, stride in zip(model.conv_channels, model.conv_kernels, model.conv_strides, strict=True):
            steps = (steps - kernel) // stride + 1
            front += 2 * steps * channels * width * kernel
            channels = width
        dim = model.embed_dim
        positions = dim * dim // model.position_groups * model.position_kernel
        layer = 4 * dim * dim + 2 * dim * model.ffn_dim + 2 * steps * dim
        context = 2 * steps * (channels * dim + positions + model.layers * layer)
        total += 3 * context + (1 if work.finetune else 3) * front
    return total
