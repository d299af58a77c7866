"""The two things that can be learned: what one micro-batch adds to the loss, and how well a pass over `valid` goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.config import RunConfig
from engine.data.batches import FinetuningBatch, PretrainingBatch
from engine.events import Evaluation
from engine.model.ctc import CtcModel
from engine.model.pretraining import PretrainingModel
from engine.model.quantizer import perplexity
from engine.text.ctc import decode_words, text_of
from engine.text.error_rate import error_rates
from engine.text.vocabulary import Vocabulary
from engine.training.device import autocast
from engine.training.losses import ctc_loss, gumbel_temperature, pretraining_loss

SAMPLES_SHOWN = 5
COLLAPSED = 1.05
"""Code perplexity per codebook below which it has collapsed; one code in use gives 1."""


@dataclass
class Contribution:
    """What a micro-batch gives: the summed loss with its graph, by how much to divide it, and summed measures."""

    loss: Tensor
    count: int
    sums: dict[str, Tensor] = field(default_factory=dict)
    means: dict[str, Tensor] = field(default_factory=dict)


class Objective(Protocol):
    """A task. Batches are those of its collator."""

    @property
    def model(self) -> nn.Module:
        """What learns."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The letters of fine-tuning; None in pre-training."""

    def begin(self, step: int) -> None:
        """Called before update `step` (from 0)."""

    def contribution(self, batch: Any, step: int) -> Contribution:
        """Forward pass of one micro-batch."""

    def evaluate(self, batches: Iterable[Any], step: int) -> Evaluation:
        """A pass over the valid batches, without noise and dropout."""

    def score(self, evaluation: Evaluation) -> float:
        """The number that the best checkpoint has least of."""


def is_collapsed(code_perplexity: float | None, run: RunConfig) -> bool:
    """Whether practically one code is in use: the loss goes to 0 and the accuracy to 1, and nothing is learned."""
    return code_perplexity is not None and code_perplexity < COLLAPSED * run.model.codebook_groups


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """A tensor over the same memory, or on the GPU, copied while it works."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Pretraining:
    """Contrastive pre-training."""

    vocabulary: None = None

    def __init__(self, run: RunConfig, model: PretrainingModel, device: torch.device, precision: str) -> None:
        self.run, self.model, self.device, self.precision = run, model, device, precision
        self.codebook_size = run.model.codebook_groups * run.model.codebook_entries
        self.centered = False

    def begin(self, step: int) -> None:
        """Nothing changes from update to update but the temperature."""

    def contribution(self, batch: PretrainingBatch, step: int) -> Contribution:
        """Loss over the masked frames."""
        waveform = to_device(batch.waveform, self.device)
        if step == 0 and self.run.objective.center_codes and not self.centered and self.model.training:
            self.model.center_codes(waveform)
            self.centered = True
        with autocast(self.device, self.precision):
            output = self.model(
                waveform,
                to_device(batch.time_mask, self.device),
                to_device(batch.distractors, self.device),
                gumbel_temperature(step, self.run.objective),
            )
        loss = pretraining_loss(output, self.run.objective, self.codebook_size)
        return Contribution(
            loss.total,
            loss.masked,
            {
                "contrastive_loss": loss.contrastive.detach(),
                "diversity_loss": loss.diversity.detach(),
                "accuracy": loss.accuracy * loss.masked,
            },
            {"code_perplexity": output.code_perplexity.detach(), "prob_perplexity": output.prob_perplexity.detach()},
        )

    @torch.no_grad()
    def evaluate(self, batches: Iterable[PretrainingBatch], step: int) -> Evaluation:
        """Contrastive loss and accuracy by masked frame; perplexities over all masked frames of the pass together."""
        model = self.run.model
        shares = torch.zeros(model.codebook_groups, model.codebook_entries, device=self.device)
        codes = torch.zeros_like(shares)

        def collect(_module: nn.Module, _inputs: Any, logits: Tensor) -> None:
            scores = logits.float().view(-1, model.codebook_groups, model.codebook_entries)
            shares.add_(torch.softmax(scores, dim=-1).sum(dim=0))
            codes.add_(nn.functional.one_hot(scores.argmax(dim=-1), model.codebook_entries).sum(dim=0))

        contrastive, right, masked = 0.0, 0.0, 0
        hook = self.model.quantizer.weight_proj.register_forward_hook(collect)
        self.model.eval()
        try:
            for batch in batches:
                part = self.contribution(batch, step)
                contrastive += float(part.sums["contrastive_loss"])
                right += float(part.sums["accuracy"])
                masked += part.count
        finally:
            hook.remove()
            self.model.train()
        return Evaluation(
            step=step,
            loss=contrastive / max(masked, 1),
            accuracy=right / max(masked, 1),
            code_perplexity=float(perplexity(codes / max(masked, 1))),
            prob_perplexity=float(perplexity(shares / max(masked, 1))),
        )

    def score(self, evaluation: Evaluation) -> float:
        """The contrastive loss; a collapsed codebook, whose loss is 0 as all targets are equal, is never the best."""
        if evaluation.loss is None or is_collapsed(evaluation.code_perplexity, self.run):
            return float("inf")
        return evaluation.loss


class Finetuning:
    """CTC fine-tuning."""

    def __init__(
        self, run: RunConfig, model: CtcModel, device: torch.device, precision: str, vocabulary: Vocabulary
    ) -> None:
        self.run, self.model, self.device, self.precision = run, model, device, precision
        self.vocabulary = vocabulary

    def begin(self, step: int) -> None:
        """Choose what learns in this update."""
        self.model.freeze_for(step, self.run.ctc)

    def _forward(self, batch: FinetuningBatch) -> tuple[Tensor, Tensor, Tensor]:
        masks = (
            None if mask is None else to_device(mask, self.device) for mask in (batch.time_mask, batch.channel_mask)
        )
        with autocast(self.device, self.precision):
            logits, frame_lengths = self.model(
                to_device(batch.waveform, self.device), to_device(batch.lengths, self.device), *masks
            )
        targets, target_lengths = (to_device(array, self.device) for array in (batch.targets, batch.target_lengths))
        return ctc_loss(logits, frame_lengths, targets, target_lengths, self.vocabulary.blank), logits, frame_lengths

    def contribution(self, batch: FinetuningBatch, step: int) -> Contribution:  # noqa: ARG002
        """Loss over the sentences."""
        loss, _, _ = self._forward(batch)
        return Contribution(loss, len(batch.transcripts))

    def texts(self, logits: Tensor, frame_lengths: Tensor) -> list[str]:
        """Greedy transcripts of logits (B, T, tokens)."""
        arrays: NDArray[np.float32] = logits.float().cpu().numpy()
        lengths = frame_lengths.cpu().tolist()
        return [
            text_of(decode_words(row[:length], self.vocabulary)) for row, length in zip(arrays, lengths, strict=True)
        ]

    @torch.no_grad()
    def evaluate(self, batches: Iterable[FinetuningBatch], step: int) -> Evaluation:
        """Loss by sentence, word and character error rates, and the same few transcripts each time."""
        total, pairs = 0.0, dict[str, tuple[str, str]]()
        self.model.eval()
        try:
            for batch in batches:
                loss, logits, frame_lengths = self._forward(batch)
                total += float(loss)
                found = self.texts(logits, frame_lengths)
                pairs |= dict(zip(batch.origins, zip(batch.transcripts, found, strict=True), strict=True))
        finally:
            self.model.train()
        rates = error_rates(pairs.values())
        every = max(1, len(pairs) // SAMPLES_SHOWN)
        shown = [list(pairs[origin]) for origin in sorted(pairs)[::every][:SAMPLES_SHOWN]]
        return Evaluation(step=step, loss=total / max(len(pairs), 1), wer=rates.wer, cer=rates.cer, samples=shown)

    def score(self, evaluation: Evaluation) -> float:
        """The word error rate; the loss decides between equals."""
        if evaluation.wer is None or evaluation.loss is None:
            return float("inf")
        return evaluation.wer + 1e-9 * evaluation.loss


def merge_sums(into: dict[str, Tensor], more: Mapping[str, Tensor]) -> None:
    """Add `more` to the sums, key by key."""
    for name, value in more.items():
        into[name] = into[name] + value if name in into else value
