"""Which manifests to train on and which to evaluate on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from w2v_studio.training.manifests import Manifest

COLUMNS = ("Data set", "Train", "Evaluate", "Clips", "Length", "Transcripts")
NAME, TRAIN, EVALUATE, CLIPS, LENGTH, TRANSCRIPTS = range(6)


class DatasetPicker(QTreeWidget):
    """A table of manifests with two ticks each. Where transcripts are needed, manifests without are greyed."""

    choice_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dataset_picker")
        self.setAccessibleName("Data sets")
        self.setColumnCount(len(COLUMNS))
        self.setHeaderLabels(COLUMNS)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
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
            item.setToolTip(NAME, manifest.problem or str(manifest.path))
            item.setText(CLIPS, f"{manifest.clips:,}")
            item.setText(LENGTH, manifest.duration_text)
            item.setText(TRANSCRIPTS, manifest.problem or _transcripts(manifest))
            for column in (CLIPS, LENGTH):
                item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
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

    def _ticked(self, column: int) -> list[Manifest]:
        return [manifest for manifest, item in self._rows if item.checkState(column) == Qt.CheckState.Checked]

    def _is_usable(self, manifest: Manifest) -> bool:
        return not manifest.problem and (manifest.transcribed > 0 or not self._needs_transcripts)

    def _tell_change(self, _item: QTreeWidgetItem, _column: int) -> None:
        self.choice_changed.emit()


def _transcripts(manifest: Manifest) -> str:
    if manifest.is_transcribed:
        return "yes"
    return f"{manifest.transcribed:,}" if manifest.transcribed else "no"
