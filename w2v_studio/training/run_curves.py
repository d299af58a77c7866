"""The curves that tell whether a run learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QWidget

from w2v_studio.theme import Theme
from w2v_studio.training.series import Points
from w2v_studio.widgets.card import Card

if TYPE_CHECKING:
    from w2v_studio.widgets.curve_plot import CurvePlot


@dataclass(frozen=True)
class Chart:
    """A plot: its title with unit, and its curves as (curve of the run, words in the legend, dashed)."""

    title: str
    curves: tuple[tuple[str, str, bool], ...]
    scale: float = 1.0


CHARTS = {
    "pretrain": (
        Chart("Loss, nats", (("loss", "training", False), ("valid_loss", "evaluation", True))),
        Chart("Accuracy, %", (("accuracy", "training", False), ("valid_accuracy", "evaluation", True)), 100.0),
        Chart("Perplexity", (("code_perplexity", "codes", False), ("prob_perplexity", "probabilities", False))),
    ),
    "finetune": (
        Chart("Loss, nats", (("loss", "training", False), ("valid_loss", "evaluation", True))),
        Chart(
            "Errors, %",
            (("valid_wer", "words", False), ("valid_cer", "letters", False), ("valid_per", "phones", True)),
            100.0,
        ),
        Chart("Learning rate, 10⁻⁴", (("learning_rate", "training", False),), 1e4),
    ),
}


class RunCurves(QWidget):
    """The charts of a run's task, side by side. pyqtgraph loads when the first run is shown."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._task = ""
        self._charts: list[tuple[Chart, CurvePlot]] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(8)

    def show_curves(self, task: str, curves: Mapping[str, Points]) -> None:
        """Draw the curves (names of RunDetail.curves) that have points."""
        if task != self._task:
            self._build(task)
        for chart, plot in self._charts:
            for name, words, dashed in chart.curves:
                steps, values = curves[name]
                if len(steps):
                    plot.set_series(words, steps.tolist(), (values * chart.scale).tolist(), dashed=dashed)

    def clear(self) -> None:
        """Draw nothing: another run follows."""
        for _, plot in self._charts:
            plot.clear()

    def _build(self, task: str) -> None:
        from w2v_studio.widgets.curve_plot import CurvePlot

        while (item := self._row.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self._task = task
        self._charts = []
        for chart in CHARTS.get(task, ()):
            plot = CurvePlot(self._theme, chart.title)
            card = Card()
            card.body.setContentsMargins(12, 10, 12, 8)
            card.body.addWidget(plot)
            self._charts.append((chart, plot))
            self._row.addWidget(card, 1)
