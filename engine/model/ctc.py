"""The CTC model: contexts to letters (paper section 3.3; reference sections 15 and 16)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.config import CtcConfig, RunConfig
from engine.model.feature_encoder import FeatureEncoder
from engine.model.quantizer import GumbelQuantizer
from engine.model.wav2vec2 import Wav2Vec2


class CtcModel(nn.Module):
    """Backbone and a Linear head over the tokens.

    The quantizer of pre-training stays aboard, frozen, with frozen copies of the convolutions and the layer norm that
    it was trained behind: those of the backbone are fine-tuned (the convolutions only if asked), and codes computed
    behind them would slowly lose their meaning.
    """

    def __init__(self, config: RunConfig, tokens: int) -> None:
        """`tokens` are the head's columns: letters, and after them the phones' (engine/text/pronunciation.py)."""
        super().__init__()
        self.final_dropout = config.dropout.final
        self.train_convolutions = config.ctc.train_convolutions
        self.backbone = Wav2Vec2(config.model, config.dropout)
        self.head = nn.Linear(config.model.embed_dim, tokens)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.quantizer = GumbelQuantizer(config.model).requires_grad_(False)
        self.quantizer_norm = nn.LayerNorm(config.model.conv_channels[-1]).requires_grad_(False)
        self.quantizer_encoder = FeatureEncoder(config.model).requires_grad_(False)

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor | None = None,
        time_mask: Tensor | None = None,
        channel_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Waveform (B, N) with (B,) valid samples to logits (B, T, tokens) and (B,) valid frames.

        `time_mask` (B, T) and `channel_mask` (B, D) are those of fine-tuning (reference section 11).
        """
        grad_mult = 1.0 if self.train_convolutions else 0.0
        output = self.backbone(waveform, lengths, time_mask, channel_mask, grad_mult)
        return self.logits(output.contexts), output.frame_lengths

    def logits(self, contexts: Tensor) -> Tensor:
        """Contexts (B, T, D) to logits (B, T, tokens)."""
        scores: Tensor = self.head(F.dropout(contexts, self.final_dropout, self.training))
        return scores

    def code_logits(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveform (B, N) with (B,) valid samples to noise-free quantizer logits (B, T, G, V)."""
        features = self.quantizer_encoder(self.backbone.normalize(waveform, lengths))
        scores: Tensor = self.quantizer.logits(self.quantizer_norm(features))
        return scores

    def convolutions_are_pretrained(self) -> bool:
        """Whether the backbone's convolutions are still those that the quantizer was trained behind."""
        kept = self.quantizer_encoder.state_dict()
        return all(
            torch.equal(value, kept[name]) for name, value in self.backbone.feature_extractor.state_dict().items()
        )

    def freeze_for(self, step: int, ctc: CtcConfig) -> None:
        """Choose what learns in update `step` (from 0): the head alone at first, the convolutions only if asked."""
        self.backbone.requires_grad_(step >= ctc.freeze_updates)
        self.backbone.feature_extractor.requires_grad_(ctc.train_convolutions and step >= ctc.freeze_updates)
        self.quantizer.requires_grad_(False)
        self.quantizer_norm.requires_grad_(False)
        self.quantizer_encoder.requires_grad_(False)
