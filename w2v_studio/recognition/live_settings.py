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
    """Whether hop, window and warning follow the machine's speed (pace.py); False makes partial texts repeatable."""
    window_s: float = 8.0
    """Most that a partial decode sees of the segment."""
    left_context_s: float = 4.0
    """What it sees before the first word that may still change; less than 4 s costs accuracy."""
    commit_distance_ms: int = 320
    """A word is committed only when it ended this long before the newest audio. The smallest of 160 to 2000 ms whose
    committed words have no more errors than the final text's is 160; 320 lets the final text change fewer of them
    (benchmarks/recognition.py --sweep: 30 of 248 segments, 23 at 640 ms, half a second later)."""
    commit_confidence: float = 0.6
    """A word that is less sure waits for `commit_patience_ms`, where confidences are measured ones. On 14 sentences the
    final text then changed 15 % of the committed words instead of 19 %, and the last words shown before it were 25.4
    instead of 27.4 % wrong (23.5 % final); 0.64 instead of 0.49 words were taken back for a final one, 2.34 without any
    rule (benchmarks/partial_words.py)."""
    commit_patience_ms: int = 1000
    speech_on: float = 0.5
    speech_off: float = 0.35
    min_silence_ms: int = 400
    """Silence that ends a segment: 250 suits commands, 800 patient dictation."""
    min_speech_ms: int = 96
    """Shorter sounds give no text. The reference's 250 loses one in twelve of the spoken digits in tight silence."""
    pre_roll_ms: int = 300
    """Audio before the detected speech that belongs to the segment."""
    speculation_ms: int = 128
    """Silence after which a text is made although no hop is due: the final one in advance, if none follows."""
    trailing_ms: int = 256
    """Silence after which the final decode is made in advance; it counts if speech does not resume. Models lose last
    words without 0.3 s of sound behind them, and voice activity ends some 50 ms after the speech (median 44 to 62 ms
    after digits and sentences). Not used where `min_silence_ms` is not longer."""
    max_segment_s: float = 20.0
    """Longer segments are cut at their longest inner silence."""
    min_cut_silence_ms: int = 98
    show_codes: bool = False
    """Report codes and mask of every frame, also in silence, for display. Without, silence costs next to nothing."""

    @property
    def final_pause_ms(self) -> int:
        """Silence after which the final decode is made in advance."""
        return self.trailing_ms if self.trailing_ms < self.min_silence_ms else self.speculation_ms

    @classmethod
    def for_provider(cls, provider: str) -> Self:
        """Settings for "CPU" or "CUDA"; a GPU decodes twice as often."""
        return cls(hop_ms=160) if provider == "CUDA" else cls()
