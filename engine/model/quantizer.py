"""Product quantizer with a Gumbel softmax (paper section 2, quantization module, equation 1; reference section 10)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.config import ModelConfig

LOG_EPSILON = 1e-7
"""Inside the perplexities' logarithm, as in the authors' code."""


@dataclass
class Quantized:
    """`vectors` (N, codevector_dim), `code_ids` (N, G) of the chosen entries, and the two perplexities (0-d)."""

    vectors: Tensor
    code_ids: Tensor
    prob_perplexity: Tensor
    code_perplexity: Tensor


def perplexity(shares: Tensor) -> Tensor:
    """Sum over groups of exp(entropy); `shares` (G, V) sum to 1 in each group. From G (one code) to G * V."""
    entropy = -(shares * torch.log(shares + LOG_EPSILON)).sum(dim=-1)
    return torch.exp(entropy).sum()


class GumbelQuantizer(nn.Module):
    """G codebooks of V entries; the chosen entries are concatenated in group order."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.groups, self.entries = config.codebook_groups, config.codebook_entries
        self.weight_proj = nn.Linear(config.conv_channels[-1], self.groups * self.entries)
        nn.init.normal_(self.weight_proj.weight, std=1.0)
        nn.init.zeros_(self.weight_proj.bias)
        size = config.codevector_dim // self.groups
        self.codevectors = nn.Parameter(torch.empty(1, self.groups * self.entries, size).uniform_())

    def logits(self, latents: Tensor) -> Tensor:
        """(..., C) to (..., G, V), float32, without noise."""
        scores: Tensor = self.weight_proj(latents).float()
        return scores.view(*scores.shape[:-1], self.groups, self.entries)

    def forward(self, latents: Tensor, temperature: float) -> Quantized:
        """Choose entries for latents (N, C): with Gumbel noise and straight-through gradient while training.

        Perplexities are over the N frames: `code_perplexity` of the noise-free argmax, `prob_perplexity` of the mean
        softmax without noise and temperature, which has a gradient.
        """
        logits = self.logits(latents)
        shares = torch.softmax(logits, dim=-1).mean(dim=0)
        best = F.one_hot(logits.detach().argmax(dim=-1), self.entries)
        # tau, not the logits, carries the schedule; argmax of the noisy logits forward, soft gradient backward.
        chosen = F.gumbel_softmax(logits, tau=temperature, hard=True, dim=-1) if self.training else best.float()
        book = self.codevectors.view(self.groups, self.entries, -1)
        vectors = torch.einsum("ngv,gvd->ngd", chosen, book.float()).flatten(1)
        return Quantized(vectors, chosen.argmax(dim=-1), perplexity(shares), perplexity(best.float().mean(dim=0)))
