"""The list of keyboard shortcuts, made from the table of commands."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QVBoxLayout, QWidget

from w2v_studio.actions import COMMANDS, SCREEN_KEYS, native_keys
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.card import styled_label


class ShortcutsDialog(QDialog):
    """Commands by section, with their keys."""

    def __init__(self, theme: Theme, screens: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self._theme = theme
        column = QVBoxLayout(self)
        column.setContentsMargins(4 * GRID_PX, 3 * GRID_PX, 4 * GRID_PX, 4 * GRID_PX)
        column.setSpacing(GRID_PX)
        column.addWidget(styled_label("Keyboard shortcuts", "title"))
        rows: dict[str, list[tuple[str, list[str]]]] = {}
        for command in COMMANDS.values():
            keys = [*command.keys_in_place, *command.shortcuts]
            rows.setdefault(command.section, []).append((command.text, keys))
        for place, name in enumerate(screens):
            rows["Window"].insert(place, (f"Go to {name}", [SCREEN_KEYS.format(place + 1)]))
        for section, commands in rows.items():
            column.addSpacing(GRID_PX)
            column.addWidget(styled_label(section, "label"))
            grid = QGridLayout()
            grid.setHorizontalSpacing(6 * GRID_PX)
            grid.setVerticalSpacing(6)
            for row, (text, keys) in enumerate(commands):
                grid.addWidget(styled_label(text, "body"), row, 0)
                grid.addWidget(self._keys(keys), row, 1, Qt.AlignmentFlag.AlignRight)
            column.addLayout(grid)

    def _keys(self, keys: Sequence[str]) -> QLabel:
        label = styled_label("   ".join(native_keys(key) for key in keys), "muted")
        label.setFont(self._theme.font("label"))
        return label
