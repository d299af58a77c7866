"""The pre-training model: find the true quantized latent among distractors (paper sections 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.config import RunConfig
from engine.model.cpu.dropout import drop
from engine.model.quantizer import GumbelQuantizer
from engine.model.wav2vec2 import Wav2Vec2


@dataclass
class PretrainingOutput:
    """What the loss is made of, for S = B x M masked frames.

    `similarities` (B, M, 1 + K): cosines over the logit temperature, the true target first, distractors that equal it
    at minus infinity. `features_penalty` is the mean square of the convolutions' output.
    """

    similarities: Tensor
    prob_perplexity: Tensor
    code_perplexity: Tensor
    features_penalty: Tensor
    code_ids: Tensor
    masked: int


class PretrainingModel(nn.Module):
    """Backbone, quantizer, and the two projections into the space of comparison."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        model, self.objective = config.model, config.objective
        self.dropout_features = config.dropout.features
        self.wav2vec2 = Wav2Vec2(model, config.dropout)
        self.quantizer = GumbelQuantizer(model)
        self.project_q = nn.Linear(model.codevector_dim, model.final_dim)
        self.project_hid = nn.Linear(model.embed_dim, model.final_dim)

    def forward(
        self, waveform: Tensor, time_mask: Tensor, distractors: Tensor, gumbel_temperature: float
    ) -> PretrainingOutput:
        """Waveform (B, N) of full rows; `time_mask` (B, T) with M masked frames in each row; `distractors` (B, M, K).

        A distractor is an index in [0, M) among its row's masked frames. Targets come from unmasked latents, only at
        masked frames, and are not detached: the gradient reaches the convolutions from this side too.
        """
        output = self.wav2vec2(waveform, time_mask=time_mask, grad_mult=self.objective.feature_grad_mult)
        penalty = output.features.float().square().mean()
        batch, count = distractors.shape[:2]
        targets = drop(output.latents[time_mask], self.dropout_features, self.training)
        quantized = self.quantizer(targets, gumbel_temperature)
        q = self.project_q(quantized.vectors).view(batch, count, -1)
        c = self.project_hid(output.contexts[time_mask]).view(batch, count, -1)
        codes = quantized.code_ids.view(batch, count, -1)
        return PretrainingOutput(
            similarities=compare(c, q, codes, distractors, self.objective.logit_temperature),
            prob_perplexity=quantized.prob_perplexity,
            code_perplexity=quantized.code_perplexity,
            features_penalty=penalty,
            code_ids=codes,
            masked=batch * count,
        )

    @torch.no_grad()
    def center_codes(self, waveform: Tensor) -> None:
        """Choose the quantizer's bias so that each entry's mean logit over `waveform` (B, N) is 0.

        Not in the paper. Latents of an untrained encoder share most of their energy (0.8 to 0.9 of it on speech): of
        2 x 64 entries only some 9 are ever chosen at the start; a small model on small batches then slips into the
        solution in which all targets are equal and the loss is 0. Centred, it starts with some 45 entries in use.
        """
        latents = self.wav2vec2.feature_projection.layer_norm(self.wav2vec2.encode_features(waveform))
        logits = self.quantizer.logits(latents).flatten(0, 1)
        self.quantizer.weight_proj.bias.sub_(logits.mean(dim=0).flatten())


def compare(c: Tensor, q: Tensor, codes: Tensor, distractors: Tensor, temperature: float) -> Tensor:
    """Similarities (B, M, 1 + K) of contexts c (B, M, F) with their own and others' targets q (equation 3).

    All pairs of a row are compared in one product and the distractors picked from it: K times less memory than
    gathering their vectors. A distractor with the codes of the true target is the same vector: it gets minus infinity.
    """
    with torch.autocast(c.device.type, enabled=False):
        c = F.normalize(c.float(), dim=-1, eps=1e-8)
        q = F.normalize(q.float(), dim=-1, eps=1e-8)
        pairs = torch.bmm(c, q.transpose(1, 2)) / temperature
    positive = pairs.diagonal(dim1=1, dim2=2).unsqueeze(-1)
    equal = (codes[:, :, None, :] == codes[:, None, :, :]).all(dim=-1)
    negative = pairs.gather(2, distractors).masked_fill(equal.gather(2, distractors), float("-inf"))
    return torch.cat((positive, negative), dim=-1)
