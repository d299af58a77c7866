"""What the model hears and makes of it: waveform, mask, codes and words of the last ten seconds on one clock."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from engine.text.ctc import Word
from w2v_studio.dictation.scope import BIN_SAMPLES, ScopeSnapshot
from w2v_studio.theme import Theme
from w2v_studio.widgets.card import Card
from w2v_studio.widgets.lane import CodeLane, Span, SpanLane, spans_of_mask
from w2v_studio.widgets.time_axis import TimeAxis, TimeRuler, clock
from w2v_studio.widgets.waveform_plot import WaveformPlot

SHOWN_S = 10.0
BIN_S = BIN_SAMPLES / 16000
MOST_GAIN = 12.0
"""How much larger quiet sound is drawn."""


class SignalsCard(Card):
    """Lanes that scroll once ten seconds are full. `refresh` repaints them from a snapshot."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setObjectName("signals")
        self._gain = MOST_GAIN / 2
        self._axis = TimeAxis(SHOWN_S, self)
        self.waveform = WaveformPlot(self._axis, theme)
        self.mask_lane = SpanLane(self._axis, theme, "Mask", "mask")
        self.codes = CodeLane(self._axis, theme)
        self.words = SpanLane(self._axis, theme, "Words", "accent")
        self.mask_lane.setObjectName("mask_lane")
        self.codes.setObjectName("code_lane")
        self.mask_lane.setToolTip("Where the training would hide the sound: spans by the model's own masking rule")
        self.waveform.setMinimumHeight(56)
        self.body.setContentsMargins(16, 12, 8, 8)
        self.body.setSpacing(4)
        for plot in (self.waveform, self.mask_lane, self.codes, self.words, TimeRuler(self._axis, theme)):
            plot.set_navigable(False)
            self.body.addWidget(plot, 1 if plot is self.waveform else 0)

    def refresh(self, snapshot: ScopeSnapshot, words: Sequence[Word], stride_s: float, case: str) -> None:
        """Show the newest ten seconds."""
        start_s = max(0.0, snapshot.now_s - SHOWN_S)
        self._axis.set_range(start_s, start_s + SHOWN_S)
        peak = max(float(snapshot.maxima.max()), float(-snapshot.minima.min())) if len(snapshot.maxima) else 0.0
        wanted = min(0.9 / peak, MOST_GAIN) if peak > 0 else MOST_GAIN
        # shrinks at once for a loud sound and grows slowly after it, so that the picture stays calm
        self._gain = wanted if wanted < self._gain else self._gain + 0.03 * (wanted - self._gain)
        self.waveform.set_envelope(snapshot.minima, snapshot.maxima, BIN_S, snapshot.envelope_start_s, gain=self._gain)
        first_s = snapshot.first_frame * stride_s
        self.mask_lane.set_spans(spans_of_mask(snapshot.time_mask, stride_s, first_s))
        self.codes.set_codes(snapshot.code_ids, snapshot.first_frame, stride_s)
        self.words.set_spans([word_span(word, case) for word in words if word.end_s >= start_s])


def word_span(word: Word, case: str) -> Span:
    """A word as a span of a lane."""
    shown = word.word if case == "as is" else word.word.lower()
    times = f"{clock(word.start_s, 0.01)} to {clock(word.end_s, 0.01)}"
    return Span(word.start_s, word.end_s, shown, f"{shown}\n{times}\nconfidence {word.confidence:.0%}", word.confidence)
