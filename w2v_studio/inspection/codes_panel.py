"""Use of the codebooks: perplexities, a histogram of each group, and the code that is being followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from w2v_studio.inspection.analysis import CodeUsage
from w2v_studio.theme import Theme
from w2v_studio.widgets.bar_plot import BarPlot
from w2v_studio.widgets.buttons import Button, IconButton
from w2v_studio.widgets.card import Card, styled_label

PERPLEXITY_TIP = (
    "exp of the entropy of how often each code is chosen, summed over the codebooks: from {groups} (one code each) to "
    "{most} (all alike). Soft: the same from the mean code probabilities."
)


class CodesPanel(Card):
    """Counts codes; a click on a bar selects one."""

    code_clicked = Signal(int, int)  # group, code
    clear_clicked = Signal()
    play_clicked = Signal()
    step_clicked = Signal(int)  # -1 to the place before the cursor, 1 to the one after

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Codes", parent)
        self._theme = theme
        self._usage: CodeUsage | None = None
        self._orders: list[list[int]] = []
        self._selected: tuple[int, int] | None = None
        self.sorted_box = QCheckBox("Sorted by use")
        self.sorted_box.setObjectName("codes_sorted")
        self.sorted_box.setChecked(True)
        self.header.addWidget(self.sorted_box)
        self.summary = styled_label("", "caption")
        self.summary.setObjectName("code_perplexity")
        self.summary.setWordWrap(True)
        self.body.addWidget(self.summary)
        self._groups = QVBoxLayout()
        self._groups.setSpacing(4)
        self.body.addLayout(self._groups)
        self.titles: list[QLabel] = []
        self.bars: list[BarPlot] = []
        self._lay_out_selected()
        self.sorted_box.toggled.connect(self._fill)
        theme.changed.connect(self._fill)
        self.show_usage(None)

    def _lay_out_selected(self) -> None:
        self.selected = styled_label("", "label")
        self.selected.setObjectName("selected_code")
        self.selected.setWordWrap(True)
        self.play_button = Button(self._theme, "Hear them", "play")
        self.play_button.setObjectName("play_occurrences_button")
        self.play_button.setToolTip("Every place one after the other, 160 ms or more of each")
        self.previous_button = IconButton(self._theme, "chevron_left", "To the place before")
        self.next_button = IconButton(self._theme, "chevron_right", "To the next place")
        self.next_button.setObjectName("next_occurrence_button")
        self.clear_button = IconButton(self._theme, "close", "Follow no code (Esc)")
        self.clear_button.setObjectName("clear_code_button")
        self._controls = QWidget()
        row = QHBoxLayout(self._controls)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.play_button, 1)
        for button in (self.previous_button, self.next_button, self.clear_button):
            row.addWidget(button)
        self.body.addWidget(self.selected)
        self.body.addWidget(self._controls)
        self.play_button.clicked.connect(self.play_clicked)
        self.clear_button.clicked.connect(self.clear_clicked)
        self.previous_button.clicked.connect(lambda: self.step_clicked.emit(-1))
        self.next_button.clicked.connect(lambda: self.step_clicked.emit(1))

    def show_usage(self, usage: CodeUsage | None) -> None:
        """Numbers and bars of a page."""
        self._usage = usage
        self._make_bars(0 if usage is None else len(usage.counts))
        if usage is None:
            self.summary.setText("Counted when a model is loaded and a recording is open")
            self.summary.setToolTip("")
        else:
            groups, entries = usage.counts.shape
            self.summary.setText(
                f"Perplexity {usage.code_perplexity:.1f} of {groups * entries} · soft {usage.prob_perplexity:.1f}\n"
                f"{usage.pairs_used} pairs in use, pair perplexity {usage.pair_perplexity:.1f}"
            )
            self.summary.setToolTip(PERPLEXITY_TIP.format(groups=groups, most=groups * entries))
        self._fill()
        self.show_selected(None, [])

    def show_selected(self, code: tuple[int, int] | None, runs: Sequence[tuple[int, int]]) -> None:
        """The code that is followed, and how often it occurs."""
        self._selected = code
        self._controls.setVisible(code is not None)
        if code is None:
            hint = "Click a code in its lane or a bar to follow it" if self._usage is not None else ""
            self.selected.setText(hint)
        else:
            frames = sum(end - start for start, end in runs)
            places = f"{len(runs)} place" + ("" if len(runs) == 1 else "s")
            self.selected.setText(f"Codebook {code[0] + 1}, code {code[1]}: {places}, {frames * 0.02:.2f} s")
        self._fill()

    def _make_bars(self, groups: int) -> None:
        while len(self.bars) < groups:
            group = len(self.bars)
            title = styled_label("", "caption")
            bars = BarPlot(self._theme, f"Use of codebook {group + 1}")
            bars.setObjectName(f"code_bars_{group}")
            bars.setFixedHeight(48)
            bars.bar_clicked.connect(lambda place, group=group: self._click(group, place))
            self.titles.append(title)
            self.bars.append(bars)
            self._groups.addWidget(title)
            self._groups.addWidget(bars)
        for place, widgets in enumerate(zip(self.titles, self.bars, strict=True)):
            for widget in widgets:
                widget.setVisible(place < groups)

    def _fill(self) -> None:
        usage = self._usage
        self._orders = []
        if usage is None:
            return
        for group, counts in enumerate(usage.counts):
            order = np.arange(len(counts))
            if self.sorted_box.isChecked():
                order = np.argsort(-counts, kind="stable")[: usage.codes_used[group]]
            ids = [int(code) for code in order]
            self._orders.append(ids)
            tips = [f"Codebook {group + 1}, code {code}: {counts[code]} frames" for code in ids]
            self.bars[group].set_values(counts[ids], tips, [self._colour(group, code) for code in ids])
            self.titles[group].setText(
                f"Codebook {group + 1}: {usage.codes_used[group]} of {len(counts)} in use, "
                f"perplexity {usage.code_perplexities[group]:.1f}"
            )

    def _colour(self, group: int, code: int) -> QColor:
        colour = QColor(self._theme.code_colour(code))
        if self._selected is not None and self._selected != (group, code):
            colour.setAlphaF(0.25)
        return colour

    def _click(self, group: int, place: int) -> None:
        code = self._orders[group][place]
        if self._usage is not None and self._usage.counts[group][code] > 0:
            self.code_clicked.emit(group, code)
