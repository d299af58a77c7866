"""The lower edge of the screen: the record button between the clock and the samples."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from w2v_studio.actions import COMMANDS
from w2v_studio.dictation.model import SampleClip
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.buttons import Button, IconButton, RecordButton
from w2v_studio.widgets.card import styled_label
from w2v_studio.widgets.time_axis import clock

STATE_TEXTS = {
    "idle": "Ready",
    "starting": "Opening the microphone",
    "listening": "Listening",
    "finishing": "Writing the last words",
}


class Transport(QWidget):
    """Record button in the middle, time and state at its left, samples at its right."""

    sample_chosen = Signal(object)

    def __init__(self, theme: Theme, samples: Sequence[SampleClip], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._samples = list(samples)
        self._next_sample = 0
        self.record_button = RecordButton(theme)
        self.record_button.setAccessibleName("Start recording")
        self.record_button.setToolTip(COMMANDS["record"].tooltip)
        self.time_label = styled_label("0:00", "display")
        self.time_label.setFont(theme.font("display"))
        self.state_label = styled_label(STATE_TEXTS["idle"], "muted")
        self.state_label.setObjectName("dictation_state")
        self.sample_button = Button(theme, "Try it with a sample", "sample")
        self.sample_button.setObjectName("sample_button")
        self.sample_button.setToolTip(f"{COMMANDS['sample'].tooltip}: recognises a recorded clip as if you spoke it")
        self.sample_button.clicked.connect(self.play_next_sample)
        self._choose_button = IconButton(theme, "chevron_down", "Choose a sample")
        self._choose_button.clicked.connect(self._choose_sample)
        left = QVBoxLayout()
        left.setSpacing(0)
        left.addStretch(1)
        left.addWidget(self.time_label)
        left.addWidget(self.state_label)
        left.addStretch(1)
        right = QHBoxLayout()
        right.setSpacing(4)
        right.addStretch(1)
        right.addWidget(self.sample_button)
        right.addWidget(self._choose_button)
        grid = QGridLayout(self)
        grid.setContentsMargins(GRID_PX, 0, 0, 0)
        grid.addLayout(left, 0, 0)
        grid.addWidget(self.record_button, 0, 1, Qt.AlignmentFlag.AlignCenter)
        grid.addLayout(right, 0, 2)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(2, 1)
        for button in (self.sample_button, self._choose_button):
            button.setVisible(bool(self._samples))

    def show_state(self, state: str, sample: str = "") -> None:
        """Follow the model's state; `sample` names a clip that plays."""
        is_on = state in ("starting", "listening")
        self.record_button.setChecked(is_on)
        self.record_button.setAccessibleName("Stop recording" if is_on else "Start recording")
        self.state_label.setText(f"Playing {sample}" if sample and is_on else STATE_TEXTS[state])
        for button in (self.sample_button, self._choose_button):
            button.setEnabled(state == "idle")
        if not is_on:
            self.record_button.set_level(0.0)

    def show_time(self, time_s: float) -> None:
        """The stream's clock."""
        self.time_label.setText(clock(int(time_s)))

    def play_next_sample(self) -> None:
        """One click plays a clip, the next click the one after it."""
        if self._samples:
            clip = self._samples[self._next_sample % len(self._samples)]
            self._next_sample += 1
            self.sample_chosen.emit(clip)

    def _choose_sample(self) -> None:
        menu = QMenu(self)
        for clip in self._samples:
            text = clip.transcript.capitalize()
            action = menu.addAction(text if len(text) <= 56 else text[:55] + "…")
            action.setToolTip(clip.source)
            action.triggered.connect(lambda _checked=False, clip=clip: self.sample_chosen.emit(clip))
        menu.setToolTipsVisible(True)
        menu.exec(self._choose_button.mapToGlobal(self._choose_button.rect().bottomLeft()))
        menu.deleteLater()
