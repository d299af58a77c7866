"""Every setting of the engine in one searchable table, with its value in the preset and the change a person makes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine import config
from engine.config import RunConfig
from w2v_studio.training.plan import FORM_SETTINGS, setting_value

KEY, VALUE, MEANING = range(3)


class SettingsTable(QWidget):
    """Settings that the plain form does not ask for. `changes` are those whose text differs from the preset's."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settings_table")
        self._preset_values: dict[str, str] = {}
        self._search = QLineEdit(placeholderText="Find a setting", clearButtonEnabled=True)
        self._search.setAccessibleName("Find a setting")
        self._rows = QTreeWidget()
        self._rows.setRootIsDecorated(False)
        self._rows.setUniformRowHeights(True)
        self._rows.setAccessibleName("All settings")
        self._rows.setHeaderLabels(["Setting", "Value", "Meaning"])
        self._rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._rows.setMinimumHeight(260)
        self._rows.header().setSectionResizeMode(KEY, QHeaderView.ResizeMode.ResizeToContents)
        self._rows.header().resizeSection(VALUE, 150)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._search)
        layout.addWidget(self._rows)
        self._items: dict[str, QTreeWidgetItem] = {}
        for key, _, meaning in config.describe():
            if key not in FORM_SETTINGS:
                item = QTreeWidgetItem(self._rows, [key, "", meaning])
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                item.setToolTip(MEANING, meaning)
                self._items[key] = item
        self._search.textChanged.connect(self._filter)
        self._rows.itemActivated.connect(self._edit)
        self._rows.itemClicked.connect(self._edit)
        self._rows.itemChanged.connect(self._mark)

    def set_preset(self, preset: RunConfig) -> None:
        """Show the preset's values; changes made so far are kept."""
        kept = self.changes()
        self._preset_values = {key: setting_value(preset, key) for key in self._items}
        for key, item in self._items.items():
            item.setText(VALUE, kept.get(key, self._preset_values[key]))

    def set_value(self, key: str, value: str) -> None:
        """Change one setting. Raises KeyError for one that is not in the table."""
        self._items[key].setText(VALUE, value)

    def changes(self) -> dict[str, str]:
        """`section.name` -> text of every setting that a person changed."""
        return {
            key: item.text(VALUE)
            for key, item in self._items.items()
            if key in self._preset_values and item.text(VALUE) != self._preset_values[key]
        }

    def _edit(self, item: QTreeWidgetItem, _column: int) -> None:
        self._rows.editItem(item, VALUE)

    def _mark(self, item: QTreeWidgetItem, column: int) -> None:
        if column != VALUE:
            return
        font = item.font(KEY)
        font.setBold(item.text(VALUE) != self._preset_values.get(item.text(KEY)))
        self._rows.blockSignals(True)
        item.setFont(KEY, font)
        item.setFont(VALUE, font)
        self._rows.blockSignals(False)
        self.changed.emit()

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        for item in self._items.values():
            content = f"{item.text(KEY)} {item.text(MEANING)}".lower()
            item.setHidden(not all(word in content for word in words))
