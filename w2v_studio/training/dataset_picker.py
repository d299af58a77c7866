"""Which manifests to train on and which to evaluate on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from w2v_studio.theme import Theme
from w2v_studio.training.manifests import Manifest
from w2v_studio.training.tick_delegate import TickDelegate

COLUMNS = ("Data set", "Train", "Evaluate", "Clips", "Length", "Text")
NAME, TRAIN, EVALUATE, CLIPS, LENGTH, TRANSCRIPTS = range(6)
WIDTHS_PX = {TRAIN: 52, EVALUATE: 74, CLIPS: 54, LENGTH: 74, TRANSCRIPTS: 50}
ROW_HEIGHT_PX = 30
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class DatasetPicker(QTreeWidget):
    """A table of manifests with two ticks each. Where transcripts are needed, manifests without are greyed."""

    choice_changed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dataset_picker")
        self.setAccessibleName("Data sets")
        self.setColumnCount(len(COLUMNS))
        self.setHeaderLabels(COLUMNS)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionsClickable(False)
        for column, width in WIDTHS_PX.items():
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, width)
        for column in (TRAIN, EVALUATE):
            self.setItemDelegateForColumn(column, TickDelegate(theme, self))
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column in (CLIPS, LENGTH, TRANSCRIPTS):
            self.headerItem().setTextAlignment(column, RIGHT)
        self._rows: list[tuple[Manifest, QTreeWidgetItem]] = []
        self._needs_transcripts = False
        self.itemChanged.connect(self._tell_change)

    def set_manifests(self, manifests: Sequence[Manifest]) -> None:
        """List these; what was ticked stays ticked."""
        train, evaluation = self.train_paths(), self.evaluation_paths()
        self.blockSignals(True)
        self.clear()
        self._rows = []
        for manifest in manifests:
            item = QTreeWidgetItem(self, [manifest.name])
            self._rows.append((manifest, item))
            item.setSizeHint(NAME, QSize(120, ROW_HEIGHT_PX))
            item.setToolTip(NAME, manifest.problem or str(manifest.path))
            item.setToolTip(TRAIN, f"Train on {manifest.name} (Space)")
            item.setToolTip(EVALUATE, f"Evaluate on {manifest.name} (E)")
            item.setText(CLIPS, f"{manifest.clips:,}")
            item.setText(LENGTH, manifest.duration_text)
            item.setText(TRANSCRIPTS, _transcripts(manifest))
            item.setToolTip(TRANSCRIPTS, f"{manifest.transcribed:,} of {manifest.clips:,} clips have a transcript")
            for column in (CLIPS, LENGTH, TRANSCRIPTS):
                item.setTextAlignment(column, RIGHT)
        self.blockSignals(False)
        self.choose(train, evaluation)

    def set_needs_transcripts(self, needed: bool) -> None:
        """Whether only manifests with transcripts may be ticked."""
        self._needs_transcripts = needed
        self.choose(self.train_paths(), self.evaluation_paths())

    def choose(self, train: Iterable[Path], evaluation: Iterable[Path] = ()) -> None:
        """Tick exactly these, as far as they are listed and may be used."""
        wanted = {TRAIN: set(train), EVALUATE: set(evaluation)}
        self.blockSignals(True)
        for manifest, item in self._rows:
            usable = self._is_usable(manifest)
            item.setFlags(
                Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable if usable else Qt.ItemFlag.NoItemFlags
            )
            for column, paths in wanted.items():
                ticked = usable and manifest.path in paths
                item.setCheckState(column, Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
        self.blockSignals(False)
        self.viewport().update()
        self.choice_changed.emit()

    def train_paths(self) -> tuple[Path, ...]:
        """Manifests ticked for training."""
        return tuple(manifest.path for manifest in self._ticked(TRAIN))

    def evaluation_paths(self) -> tuple[Path, ...]:
        """Manifests ticked for evaluation."""
        return tuple(manifest.path for manifest in self._ticked(EVALUATE))

    def train_seconds(self) -> float:
        """Audio ticked for training, seconds."""
        return sum(manifest.seconds for manifest in self._ticked(TRAIN))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space ticks the current row for training, E for evaluation."""
        column = {Qt.Key.Key_Space: TRAIN, Qt.Key.Key_E: EVALUATE}.get(Qt.Key(event.key()))
        item = self.currentItem()
        if column is None or item is None or not item.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            super().keyPressEvent(event)
            return
        ticked = item.checkState(column) == Qt.CheckState.Checked
        item.setCheckState(column, Qt.CheckState.Unchecked if ticked else Qt.CheckState.Checked)

    def _ticked(self, column: int) -> list[Manifest]:
        return [manifest for manifest, item in self._rows if item.checkState(column) == Qt.CheckState.Checked]

    def _is_usable(self, manifest: Manifest) -> bool:
        return not manifest.problem and (manifest.transcribed > 0 or not self._needs_transcripts)

    def _tell_change(self, _item: QTreeWidgetItem, _column: int) -> None:
        self.choice_changed.emit()


def _transcripts(manifest: Manifest) -> str:
    if manifest.problem:
        return "broken"
    if manifest.is_transcribed:
        return "yes"
    return f"{manifest.transcribed:,}" if manifest.transcribed else "no"
