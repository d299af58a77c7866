"""The numbers of live recognition (starting values of the reference, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

SAMPLES_PER_MS = 16


@dataclass(frozen=True)
class LiveSettings:
    """Times in milliseconds unless the name says seconds; thresholds are probabilities of speech."""

    hop_ms: int = 320
    """New audio between two partial decodes, a multiple of 160."""
    max_hop_ms: int = 960
    """How far a slow machine may stretch the hop, to 1.5 x the last decode time."""
    adaptive_hop: bool = True
    window_s: float = 8.0
    """What a partial decode sees of the segment."""
    commit_distance_ms: int = 640
    """A word is committed only when it ended this long before the newest audio."""
    speech_on: float = 0.5
    speech_off: float = 0.35
    min_silence_ms: int = 400
    """Silence that ends a segment: 250 suits commands, 800 patient dictation."""
    min_speech_ms: int = 96
    """Shorter sounds give no text. The reference's 250 loses one in twelve of the spoken digits in tight silence."""
    pre_roll_ms: int = 300
    """Audio before the detected speech that belongs to the segment."""
    speculation_ms: int = 128
    """Silence after which the final decode is made in advance; it counts if speech does not resume."""
    trailing_ms: int = 320
    """Silence after which it is made once more, as models lose last words without 0.3 s of sound behind them."""
    max_segment_s: float = 20.0
    """Longer segments are cut at their longest inner silence."""
    min_cut_silence_ms: int = 98

    @classmethod
    def for_provider(cls, provider: str) -> Self:
        """Settings for "CPU" or "CUDA"; a GPU decodes twice as often and commits sooner."""
        return cls(hop_ms=160, commit_distance_ms=320) if provider == "CUDA" else cls()

    def next_hop_samples(self, decode_s: float) -> int:
        """Samples until the next partial decode, after one that took `decode_s` seconds."""
        hop_ms = self.hop_ms
        if self.adaptive_hop:
            hop_ms = min(self.max_hop_ms, max(hop_ms, round(1500 * decode_s)))
        return hop_ms * SAMPLES_PER_MS
