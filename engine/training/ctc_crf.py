"""CTC-CRF: the phones of a sentence against all other phones that could have been said (Xiang and Ou, ICASSP 2019).

CTC makes each frame's phones likely by themselves. What decoding with a lexicon and a language model needs is that the
right sequence beats the others that the language allows, whatever the sum of their scores is:

    -log P(phones | audio) = -log sum over the paths of the phones of prod p(token | frame) - log P(phones) + log Z,

where Z sums over the paths of all sequences, each weighted by its probability under a trigram. The paths are those of
CTC: blanks between phones, and at least one between two alike.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


class LogPartition(torch.autograd.Function):
    """log Z of each row, and as its gradient the share of the paths that are in each token at each frame.

    A state is a pair of phones (the last but one a, the last b) and whether a blank came after them. Probabilities are
    kept as such, scaled in each frame to sum to 1. The matrices lie as (b, row, a), as one product for each b follows.
    """

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, frame_lengths: Tensor, trigram: Tensor) -> Tensor:
        """`log_probs` (B, T, 1 + phones), blank first; (B,) valid frames; `trigram` (1 + phones,) * 3. Nats (B,)."""
        rows, frames, size = log_probs.shape
        valid = torch.arange(frames, device=log_probs.device)[None, :] < frame_lengths[:, None]
        # A frame behind the end is surely blank, which changes nothing.
        probs = log_probs.exp().masked_fill(~valid[..., None], 0)
        probs[..., 0].masked_fill_(~valid, 1)
        probs = probs.transpose(0, 1).contiguous()
        onward = trigram.transpose(0, 1).contiguous()  # (b, a, c)
        again = onward.diagonal(dim1=0, dim2=2).T.contiguous()  # (b, a): c is b once more
        onward.diagonal(dim1=0, dim2=2).zero_()
        onward[..., 0] = 0  # the end comes after the last frame
        again[0] = 0
        end = trigram[..., 0].T.contiguous()
        said = log_probs.new_zeros(frames + 1, size, rows, size)
        silent = torch.zeros_like(said)
        silent[0, 0, :, 0] = 1
        scales = log_probs.new_ones(frames, rows)
        for t in range(frames):
            either = said[t] + silent[t]
            follows = torch.bmm(either, onward)  # (b, row, c)
            follows.diagonal(dim1=0, dim2=2).add_((silent[t] * again[:, None]).sum(dim=-1).T)
            arriving = (follows.transpose(0, 2) + said[t]) * probs[t].T[:, :, None]
            arriving[0] = 0
            resting = either * probs[t][:, 0, None]
            scales[t] = arriving.sum(dim=(0, 2)) + resting.sum(dim=(0, 2))
            said[t + 1] = arriving / scales[t][:, None]
            silent[t + 1] = resting / scales[t][:, None]
        last = ((said[-1] + silent[-1]) * end[:, None]).sum(dim=(0, 2))
        ctx.save_for_backward(probs, onward, again, end, said, silent, scales, last, valid)
        return scales.log().sum(dim=0) + last.log()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """The share of each token at each frame, times the gradient of the row."""
        probs, onward, again, end, said, silent, scales, last, valid = ctx.saved_tensors
        frames, rows, size = probs.shape
        back = onward.transpose(1, 2).contiguous()  # (b, c, a)
        after_silent = end[:, None] / last[:, None]
        after_said = after_silent
        shares = probs.new_zeros(frames, rows, size)
        for t in reversed(range(frames)):
            shares[t] = (said[t + 1] * after_said).sum(dim=2).T
            shares[t, :, 0] = (silent[t + 1] * after_silent).sum(dim=(0, 2))
            arriving = after_said * (probs[t] / scales[t][:, None]).T[:, :, None]  # (c, row, b)
            arriving[0] = 0
            follows = arriving.transpose(0, 2).contiguous()  # (b, row, c)
            either = torch.bmm(follows, back)
            either += after_silent * (probs[t][:, 0] / scales[t])[:, None]
            after_said = either + arriving
            after_silent = either + follows.diagonal(dim1=0, dim2=2).T[:, :, None] * again[:, None]
        return shares.transpose(0, 1) * valid[..., None] * grads[0][:, None, None], None, None


def log_partition(log_probs: Tensor, frame_lengths: Tensor, trigram: Tensor) -> Tensor:
    """log Z of each row, nats: `log_probs` (B, T, 1 + phones), blank first; `trigram` as phone_trigram has it."""
    value: Tensor = LogPartition.apply(log_probs, frame_lengths, trigram)  # type: ignore[no-untyped-call]
    return value


def rival_loss(
    logits: Tensor, frame_lengths: Tensor, targets: Tensor, target_lengths: Tensor, trigram: Tensor
) -> Tensor:
    """What makes CTC-CRF of CTC: log Z - log P(phones), summed over the batch, nats.

    `logits` (B, T, 1 + phones), `targets` (B, longest) padded. Sentences that no path can say count as zero, as in CTC.
    """
    within = torch.arange(targets.shape[1], device=targets.device)[None, :] < target_lengths[:, None]
    said = targets.masked_fill(~within, 0)
    alike = ((said[:, 1:] == said[:, :-1]) & within[:, 1:]).sum(dim=1)
    possible = frame_lengths >= target_lengths + alike
    edged = F.pad(said, (2, 1))
    likely = trigram[edged[:, :-2], edged[:, 1:-1], edged[:, 2:]].log()
    # The end of a sentence comes behind its last phone, and counts.
    prior = (likely * F.pad(within, (1, 0), value=True)).sum(dim=1)
    log_z = log_partition(logits.float().log_softmax(dim=-1), frame_lengths, trigram)
    return ((log_z - prior) * possible).sum()
