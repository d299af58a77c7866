"""The list of runs: name, task, state, progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetricsF, QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from w2v_studio.theme import Theme
from w2v_studio.training import wording
from w2v_studio.training.runs import RunSummary

RunRole = Qt.ItemDataRole.UserRole
ROW_HEIGHT_PX = 72
Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()


class RunListModel(QAbstractListModel):
    """The runs as Qt's views read them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunSummary] = []

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        """Number of runs."""
        return 0 if parent.isValid() else len(self._runs)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The run under RunRole; its words for screen readers and typing ahead."""
        run = self._runs[index.row()]
        if role == RunRole:
            return run
        if role == Qt.ItemDataRole.DisplayRole:
            return run.label
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{run.label}, {wording.task_words(run)}, {run.state.value}, {round(100 * run.progress)} percent"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{run.label}\n{wording.progress_words(run)}\n{run.folder}"
        return QSize(200, ROW_HEIGHT_PX) if role == Qt.ItemDataRole.SizeHintRole else None

    def set_runs(self, runs: Sequence[RunSummary]) -> None:
        """Show these; rows keep their place (and the selection) while the same runs are there."""
        if [run.folder for run in runs] == [run.folder for run in self._runs]:
            self._runs = list(runs)
            if runs:
                self.dataChanged.emit(self.index(0), self.index(len(runs) - 1))
            return
        self.beginResetModel()
        self._runs = list(runs)
        self.endResetModel()

    def row_of(self, folder: Path | None) -> int:
        """The row of a run, -1 where it is not listed."""
        return next((row for row, run in enumerate(self._runs) if run.folder == folder), -1)


class RunDelegate(QStyledItemDelegate):
    """Paints one run: its name, a state chip, task and time, a thin progress line."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the row."""
        run: RunSummary = index.data(RunRole)
        theme = self._theme
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row = QRectF(option.rect).adjusted(4, 3, -4, -3)
        state = option.state
        ground = (
            "accent_soft"
            if state & QStyle.StateFlag.State_Selected
            else "raised"
            if state & QStyle.StateFlag.State_MouseOver
            else None
        )
        painter.setPen(Qt.PenStyle.NoPen)
        if ground:
            painter.setBrush(theme.colour(ground))
            painter.drawRoundedRect(row, 8, 8)
        inner = row.adjusted(12, 9, -12, -9)
        chip_width = self._paint_chip(painter, run, inner)
        self._paint_words(painter, run, inner, chip_width)
        line = QRectF(inner.left(), inner.bottom() - 4, inner.width(), 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("border"))
        painter.drawRoundedRect(line, 2, 2)
        painter.setBrush(theme.colour(wording.STATE_ROLES[run.state]))
        if run.progress > 0:
            painter.drawRoundedRect(
                QRectF(line.topLeft(), line.bottomRight()).adjusted(0, 0, -(1 - run.progress) * line.width(), 0), 2, 2
            )
        painter.restore()

    def _paint_chip(self, painter: QPainter, run: RunSummary, inner: QRectF) -> float:
        font = self._theme.font("caption")
        width = QFontMetricsF(font).horizontalAdvance(run.state.value) + 16
        chip = QRectF(inner.right() - width, inner.top(), width, 20)
        role = wording.STATE_ROLES[run.state]
        painter.setBrush(self._theme.colour(role, 0.14))
        painter.drawRoundedRect(chip, 10, 10)
        painter.setFont(font)
        painter.setPen(self._theme.colour(role))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, run.state.value)
        return width

    def _paint_words(self, painter: QPainter, run: RunSummary, inner: QRectF, chip_width: float) -> None:
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        name_font, small_font = self._theme.font("label"), self._theme.font("caption")
        name_box = QRectF(inner.left(), inner.top(), inner.width() - chip_width - 8, 20)
        painter.setFont(name_font)
        painter.setPen(self._theme.colour("text"))
        painter.drawText(
            name_box,
            left,
            QFontMetricsF(name_font).elidedText(run.label, Qt.TextElideMode.ElideRight, name_box.width()),
        )
        words = " · ".join(part for part in (wording.task_words(run), wording.moment(run.created)) if part)
        small_box = QRectF(inner.left(), inner.top() + 22, inner.width(), 18)
        painter.setFont(small_font)
        painter.setPen(self._theme.colour("text_muted"))
        painter.drawText(small_box, left, words)
        painter.drawText(
            small_box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{100 * run.progress:.0f} %"
        )


class RunList(QListView):
    """Lists runs; `run_chosen` tells the folder of the one picked by a person."""

    run_chosen = Signal(object)  # Path

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("run_list")
        self.setAccessibleName("Runs")
        self._theme = theme
        self._model = RunListModel(self)
        self.setModel(self._model)
        self.setItemDelegate(RunDelegate(theme, self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._choosing = False
        self.selectionModel().currentChanged.connect(self._tell_choice)
        theme.changed.connect(self.viewport().update)

    def set_runs(self, runs: Sequence[RunSummary], chosen: Path | None) -> None:
        """Show `runs` with `chosen` picked."""
        self._model.set_runs(runs)
        self.choose(chosen)

    def choose(self, folder: Path | None) -> None:
        """Mark a run as picked, without telling of it."""
        row = self._model.row_of(folder)
        if row == self.currentIndex().row() and (row >= 0 or not self.currentIndex().isValid()):
            return
        self._choosing = True
        if row < 0:
            self.selectionModel().clear()
        else:
            self.selectionModel().setCurrentIndex(
                self._model.index(row), QItemSelectionModel.SelectionFlag.ClearAndSelect
            )
        self._choosing = False

    def _tell_choice(self, current: QModelIndex) -> None:
        if current.isValid() and not self._choosing:
            self.run_chosen.emit(current.data(RunRole).folder)
