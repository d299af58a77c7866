"""The two things that can be learned: what one micro-batch adds to the loss, and how well a pass over `valid` goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.config import ConfigError, RunConfig
from engine.data.batches import FinetuningBatch, PretrainingBatch
from engine.events import Evaluation
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel, PretrainingOutput
from engine.model.quantizer import perplexity
from engine.model.wav2vec2 import valid_frames
from engine.text.ctc import decode_words, text_of
from engine.text.error_rate import error_rates
from engine.text.phone_trigram import count_phones, phone_trigram
from engine.text.pronunciation import Pronunciations
from engine.text.vocabulary import Vocabulary
from engine.training.ctc_crf import rival_loss
from engine.training.device import autocast
from engine.training.doctor import is_collapsed
from engine.training.losses import ctc_loss, gumbel_temperature, pretraining_loss, prior_weight
from engine.training.prefetch import PlacedBatch, place
from engine.training.world import ALONE, World

SAMPLES_SHOWN = 5


@dataclass
class Contribution:
    """What a micro-batch gives: the summed loss with its graph, by how much to divide it, and summed measures.

    `signs` are sums for the doctor (engine/training/doctor.py). `finite_rows` (B,) is False at rows whose own numbers
    overflowed or are none.
    """

    loss: Tensor
    count: int
    sums: dict[str, Tensor] = field(default_factory=dict)
    means: dict[str, Tensor] = field(default_factory=dict)
    signs: dict[str, Tensor] = field(default_factory=dict)
    finite_rows: Tensor | None = None


@dataclass
class Filler:
    """A batch that another process counts; computed all the same, as FSDP needs everybody in every forward pass."""

    batch: Any


class Objective(Protocol):
    """A task. Batches are those of its collator."""

    @property
    def model(self) -> nn.Module:
        """What learns."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The letters of fine-tuning; None in pre-training."""

    @property
    def pronunciations(self) -> Pronunciations | None:
        """The phones that are learned beside the letters, if any."""

    @property
    def phone_counts(self) -> Tensor | None:
        """How often which phones followed which, where that was counted."""

    forward: Callable[..., Any]
    """The forward pass of training: the model itself, or what spreads it over processes."""

    def prepare(self, batch: Any) -> None:
        """Called once, before a new run's first update, with its first micro-batch."""

    def begin(self, step: int) -> None:
        """Called before update `step` (from 0)."""

    def contribution(self, batch: Any, step: int) -> Contribution:
        """Forward pass of one micro-batch."""

    def evaluate(self, batches: Iterable[Any], step: int, world: World = ALONE) -> Evaluation:
        """A pass over the valid batches, without noise and dropout; `batches` are this process's share of them."""

    def score(self, evaluation: Evaluation) -> float:
        """The number that the best checkpoint has least of."""


class Pretraining:
    """Contrastive pre-training."""

    vocabulary: None = None
    pronunciations: None = None
    phone_counts: None = None

    def __init__(self, run: RunConfig, model: PretrainingModel, device: torch.device, precision: str) -> None:
        self.run, self.model, self.device, self.precision = run, model, device, precision
        self.forward: Callable[..., PretrainingOutput] = model
        self.codebook_size = run.model.codebook_groups * run.model.codebook_entries

    def prepare(self, batch: PretrainingBatch) -> None:
        """Centre the codes where the config asks for it."""
        if self.run.objective.center_codes:
            self.model.center_codes(place(batch, self.device).tensors["waveform"])

    def begin(self, step: int) -> None:
        """Nothing changes from update to update but the temperature."""

    def contribution(self, batch: PretrainingBatch | PlacedBatch, step: int) -> Contribution:
        """Loss over the masked frames."""
        arrays = place(batch, self.device).tensors
        forward = self.forward if self.model.training else self.model
        with autocast(self.device, self.precision):
            output: PretrainingOutput = forward(
                arrays["waveform"],
                arrays["time_mask"],
                arrays["distractors"],
                gumbel_temperature(step, self.run.objective),
            )
        loss = pretraining_loss(output, self.run.objective, self.codebook_size)
        return Contribution(
            loss.total,
            loss.masked,
            sums={
                "contrastive_loss": loss.contrastive.detach(),
                "diversity_loss": loss.diversity.detach(),
                "accuracy": loss.accuracy * loss.masked,
            },
            means={
                "code_perplexity": output.code_perplexity.detach(),
                "prob_perplexity": output.prob_perplexity.detach(),
            },
            signs={"chance": loss.chance * loss.masked, "identical": loss.identical * loss.masked},
            finite_rows=loss.finite_rows,
        )

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Any], step: int, world: World = ALONE) -> Evaluation:
        """Contrastive loss and accuracy by masked frame; perplexities over all masked frames of the pass together."""
        model = self.run.model
        shape = (model.codebook_groups, model.codebook_entries)
        shares = torch.zeros(shape, dtype=torch.float64, device=self.device)
        codes = torch.zeros_like(shares)
        pass_sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        counting = True

        def collect(_module: nn.Module, _inputs: Any, logits: Tensor) -> None:
            if counting:
                scores = logits.float().view(-1, *shape)
                shares.add_(torch.softmax(scores, dim=-1).double().sum(dim=0))
                codes.add_(nn.functional.one_hot(scores.argmax(dim=-1), model.codebook_entries).sum(dim=0))

        hook = self.model.quantizer.weight_proj.register_forward_hook(collect)
        self.model.eval()
        try:
            for batch in batches:
                counting = not isinstance(batch, Filler)
                part = self.contribution(batch if counting else batch.batch, step)
                if counting:
                    loss = part.sums["contrastive_loss"].double()
                    pass_sums += torch.stack((loss, part.sums["accuracy"].double(), torch.full_like(loss, part.count)))
        finally:
            hook.remove()
            self.model.train()
        contrastive, right, masked = world.total(pass_sums.tolist())
        frames = max(masked, 1.0)
        return Evaluation(
            step=step,
            loss=contrastive / frames,
            accuracy=right / frames,
            code_perplexity=float(perplexity(world.total_array(codes) / frames)),
            prob_perplexity=float(perplexity(world.total_array(shares) / frames)),
        )

    def score(self, evaluation: Evaluation) -> float:
        """The contrastive loss; a collapsed codebook, whose loss is 0 as all targets are equal, is never the best."""
        if evaluation.loss is None or is_collapsed(evaluation.code_perplexity, self.run):
            return float("inf")
        return evaluation.loss


@dataclass
class _Heard:
    """Losses summed over a batch, logits of letters (B, T, tokens) and phones (B, T, phones), and (B,) valid frames."""

    loss: Tensor
    phone_loss: Tensor
    logits: Tensor
    phones: Tensor
    frame_lengths: Tensor


class Finetuning:
    """CTC fine-tuning."""

    def __init__(
        self,
        run: RunConfig,
        model: CtcModel,
        device: torch.device,
        precision: str,
        vocabulary: Vocabulary,
        pronunciations: Pronunciations | None = None,
        phone_counts: Tensor | None = None,
    ) -> None:
        self.run, self.model, self.device, self.precision = run, model, device, precision
        self.forward: Callable[..., tuple[Tensor, Tensor]] = model
        self.vocabulary, self.pronunciations = vocabulary, pronunciations
        self.phone_counts = phone_counts
        self._trigram: Tensor | None = None

    def learn_sequences(self, transcripts: Iterable[str]) -> None:
        """Count which phones follow which, beside what was counted before, for CTC-CRF."""
        if self.pronunciations is None:
            raise ConfigError("ctc.crf_weight needs phones: name a lexicon with ctc.lexicon, or set it to 0")
        said = (sounds for words in transcripts if (sounds := self.pronunciations.encode(words)))
        counts = torch.from_numpy(count_phones(said, len(self.pronunciations.phones)))
        self.phone_counts = counts if self.phone_counts is None else counts + self.phone_counts
        self._trigram = torch.from_numpy(phone_trigram(self.phone_counts.numpy())).to(self.device)

    def prepare(self, batch: FinetuningBatch) -> None:
        """Nothing depends on the data."""

    def begin(self, step: int) -> None:
        """Choose what learns in this update."""
        self.model.freeze_for(step, self.run.ctc)

    def _forward(self, batch: FinetuningBatch | PlacedBatch, prior_weight: float = 0.0) -> _Heard:
        """Losses summed over the batch, of letters and of phones."""
        arrays = place(batch, self.device).tensors
        forward = self.forward if self.model.training else self.model
        with autocast(self.device, self.precision):
            scores, frame_lengths = forward(
                arrays["waveform"], arrays["lengths"], arrays.get("time_mask"), arrays.get("channel_mask")
            )
        logits, phones = scores[..., : len(self.vocabulary)], scores[..., len(self.vocabulary) :]
        targets, target_lengths = arrays["targets"], arrays["target_lengths"]
        loss = ctc_loss(logits, frame_lengths, targets, target_lengths, self.vocabulary.blank, prior_weight)
        phone_loss = torch.zeros_like(loss)
        if self.pronunciations is not None:
            known = arrays["phone_lengths"] > 0
            if bool(known.any()):
                said, lengths = arrays["phone_targets"][known], arrays["phone_lengths"][known]
                phone_loss = ctc_loss(phones[known], frame_lengths[known], said, lengths, 0, prior_weight)
                if self._trigram is not None and self.model.training:
                    rivals = rival_loss(phones[known], frame_lengths[known], said, lengths, self._trigram)
                    phone_loss = phone_loss + (self.run.ctc.crf_weight or 0) * rivals
        return _Heard(loss, phone_loss, logits, phones, frame_lengths)

    def contribution(self, batch: FinetuningBatch | PlacedBatch, step: int) -> Contribution:
        """Loss over the sentences."""
        placed = place(batch, self.device)
        heard = self._forward(placed, prior_weight(step, self.run.ctc))
        logits, frame_lengths = heard.logits, heard.frame_lengths
        loss = heard.loss + self.run.ctc.phone_weight * heard.phone_loss
        with torch.no_grad():
            valid = valid_frames(frame_lengths, logits.shape[1])
            written = valid & (logits.argmax(dim=-1) != self.vocabulary.blank)
            signs = {
                "frames": valid.sum(),
                "written": written.sum(),
                "labels": placed.tensors["target_lengths"].sum(),
            }
            finite_rows = torch.isfinite(logits.float().masked_fill(~valid[:, :, None], 0)).all(dim=-1).all(dim=-1)
        return Contribution(loss, len(placed.batch.transcripts), signs=signs, finite_rows=finite_rows)

    def texts(self, logits: Tensor, frame_lengths: Tensor) -> list[str]:
        """Greedy transcripts of logits (B, T, tokens)."""
        arrays: NDArray[np.float32] = logits.float().cpu().numpy()
        lengths = frame_lengths.cpu().tolist()
        return [
            text_of(decode_words(row[:length], self.vocabulary)) for row, length in zip(arrays, lengths, strict=True)
        ]

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Any], step: int, world: World = ALONE) -> Evaluation:
        """Loss by sentence, word and character error rates, and the same few transcripts each time."""
        total, pairs, phones = 0.0, dict[str, tuple[str, str]](), dict[str, tuple[str, str]]()
        self.model.eval()
        try:
            for batch in batches:
                counting = not isinstance(batch, Filler)
                counted: FinetuningBatch = batch if counting else batch.batch
                heard = self._forward(counted)
                if counting:
                    total += float(heard.loss)
                    found = self.texts(heard.logits, heard.frame_lengths)
                    pairs |= dict(zip(counted.origins, zip(counted.transcripts, found, strict=True), strict=True))
                    phones |= self._phones(counted, heard)
        finally:
            self.model.train()
        (total,) = world.total([total])
        pairs = {origin: pair for share in world.gather(pairs) for origin, pair in share.items()}
        phones = {origin: pair for share in world.gather(phones) for origin, pair in share.items()}
        rates = error_rates(pairs.values())
        # As words, so that a phone counts as one symbol.
        phone_rate = error_rates(phones.values()).wer if phones else None
        every = max(1, len(pairs) // SAMPLES_SHOWN)
        shown = [list(pairs[origin]) for origin in sorted(pairs)[::every][:SAMPLES_SHOWN]]
        return Evaluation(
            step=step, loss=total / max(len(pairs), 1), wer=rates.wer, cer=rates.cer, per=phone_rate, samples=shown
        )

    def _phones(self, batch: FinetuningBatch, heard: _Heard) -> dict[str, tuple[str, str]]:
        """Phones that were to be said and greedy ones, separated by spaces, of the clips whose words are known."""
        if self.pronunciations is None:
            return {}
        names, pairs = ("", *self.pronunciations.phones), {}
        best = heard.phones.float().argmax(dim=-1).cpu().numpy()
        lengths = heard.frame_lengths.tolist()
        for row, (origin, transcript) in enumerate(zip(batch.origins, batch.transcripts, strict=True)):
            said = self.pronunciations.encode(transcript)
            if said is not None:
                path = best[row, : lengths[row]]
                merged = path[np.concatenate(([True], path[1:] != path[:-1]))[: len(path)]]
                found = [names[phone] for phone in merged if phone]
                pairs[origin] = (" ".join(names[phone] for phone in said), " ".join(found))
        return pairs

    def score(self, evaluation: Evaluation) -> float:
        """The word error rate; the loss decides between equals."""
        if evaluation.wer is None or evaluation.loss is None:
            return float("inf")
        return evaluation.wer + 1e-9 * evaluation.loss


def merge_sums(into: dict[str, Tensor], more: Mapping[str, Tensor]) -> None:
    """Add `more` to the sums, key by key."""
    for name, value in more.items():
        into[name] = into[name] + value if name in into else value
