"""The losses, float32: contrastive, diversity and feature penalty (paper section 3.2), and CTC."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.config import CtcConfig, ObjectiveConfig
from engine.model.pretraining import PretrainingOutput


@dataclass
class PretrainingLoss:
    """Sums over the `masked` frames, in nats; `accuracy` is the share of frames whose true target wins strictly.

    `chance` is the accuracy of guessing, 1 / (1 + K) where all K distractors differ from the target, and `identical`
    the share of distractors that equal it: means over the masked frames. `finite_rows` (B,) tells of each row whether
    its similarities are numbers.
    """

    total: Tensor
    contrastive: Tensor
    diversity: Tensor
    penalty: Tensor
    accuracy: Tensor
    chance: Tensor
    identical: Tensor
    finite_rows: Tensor
    masked: int


def pretraining_loss(output: PretrainingOutput, objective: ObjectiveConfig, codebook_size: int) -> PretrainingLoss:
    """Equations 2 to 4 as the authors' code has them; `codebook_size` is G x V.

    The contrastive part is a sum, so the two others are multiplied by the number of masked frames (section 13 of the
    reference). Divide once, by the frames of all micro-batches and workers together.
    """
    similarities = output.similarities.float().flatten(0, 1)
    contrastive = F.cross_entropy(similarities, similarities.new_zeros(len(similarities)).long(), reduction="sum")
    unused = (codebook_size - output.prob_perplexity) / codebook_size
    diversity = objective.diversity_weight * output.masked * unused
    penalty = objective.penalty_weight * output.masked * output.features_penalty
    with torch.no_grad():
        first_is_best = similarities.argmax(dim=-1) == 0
        all_equal = similarities.argmin(dim=-1) == 0
        accuracy = (first_is_best & ~all_equal).float().mean()
        removed = torch.isneginf(similarities[:, 1:]).float()
        chance = (1 / (1 + (1 - removed).sum(dim=-1))).mean()
        finite_rows = torch.isfinite(output.similarities[..., 0]).all(dim=-1)
    return PretrainingLoss(
        total=contrastive + diversity + penalty,
        contrastive=contrastive,
        diversity=diversity,
        penalty=penalty,
        accuracy=accuracy,
        chance=chance,
        identical=removed.mean(),
        finite_rows=finite_rows,
        masked=output.masked,
    )


def ctc_loss(
    logits: Tensor,
    frame_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    prior_weight: float = 0.0,
) -> Tensor:
    """Summed over the batch, nats. `logits` (B, T, tokens), `targets` (B, longest) or all in one row.

    Sentences that no path can spell count as zero. cuDNN's own CTC is left out: it has other rules for lengths.

    `prior_weight` a above 0 scores a path with p(token | frame) / p(token)^a, where p(token) is the mean over the
    batch's frames (Huang and others, arXiv 2406.02560, there from counts of the whole epoch). A network that writes
    blanks only then gains nothing by it, so that a small one with few labels does not stay there; 0 is the CTC of the
    paper.
    """
    scores = logits.float()
    valid = torch.arange(logits.shape[1], device=logits.device)[None, :] < frame_lengths[:, None]
    normalizer = torch.zeros_like(scores[:, 0, 0])
    if prior_weight > 0:
        log_prior = scores.detach().log_softmax(dim=-1)[valid].logsumexp(dim=0) - valid.sum().log()
        adjusted = scores - prior_weight * log_prior
        # ctc_loss wants scores that sum to 1 in each frame: what that takes off is put back.
        per_frame = scores.logsumexp(dim=-1) - adjusted.logsumexp(dim=-1)
        normalizer = per_frame.masked_fill(~valid, 0).sum(dim=-1)
        scores = adjusted
    log_probs = F.log_softmax(scores, dim=-1).transpose(0, 1)
    with torch.backends.cudnn.flags(enabled=False):
        losses = F.ctc_loss(
            log_probs, targets, frame_lengths, target_lengths, blank=blank, reduction="none", zero_infinity=True
        )
    # zero_infinity leaves 0 exactly where there is no path.
    return torch.where(losses == 0, losses, losses + normalizer).sum()


def prior_weight(update: int, ctc: CtcConfig) -> float:
    """`ctc.prior_weight`, or what is left of it after `update` of the `ctc.prior_updates` in which it falls to 0."""
    left = 1 - update / ctc.prior_updates if ctc.prior_updates else 1.0
    return ctc.prior_weight * max(left, 0.0)


def gumbel_temperature(update: int, objective: ObjectiveConfig) -> float:
    """max(start x decay^n, min), with n the number of updates done (paper section 4.2)."""
    return float(max(objective.gumbel_start * objective.gumbel_decay**update, objective.gumbel_min))
