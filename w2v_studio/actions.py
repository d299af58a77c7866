"""Every command of the window, declared once: menus, tooltips and the list of shortcuts are made from this table."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from w2v_studio.theme import Theme


@dataclass(frozen=True)
class Command:
    """A command: its text, what starts it (portable key sequences), its icon, and the part of the help it is in.

    `keys_in_place` are keys that a view handles itself, because they mean something else while text is edited.
    """

    name: str
    text: str
    shortcuts: tuple[str, ...] = ()
    icon: str = ""
    section: str = "Window"
    keys_in_place: tuple[str, ...] = ()

    @property
    def tooltip(self) -> str:
        """The text with its first shortcut."""
        keys = [*self.keys_in_place, *self.shortcuts]
        return f"{self.text} ({native_keys(keys[0])})" if keys else self.text


COMMANDS = {
    command.name: command
    for command in (
        Command("record", "Start or stop recording", ("F9", "Ctrl+R"), "microphone", "Dictate", ("Space",)),
        Command("sample", "Try it with a sample", ("Ctrl+T",), "sample", "Dictate"),
        Command("refresh_microphones", "Look for microphones", ("F5",), "refresh", "Dictate"),
        Command("copy_all", "Copy the transcript", ("Ctrl+Shift+C",), "copy", "Dictate"),
        Command("save_text", "Save the transcript as a file", ("Ctrl+S",), "save", "Dictate"),
        Command("clear", "Clear the transcript", ("Ctrl+Shift+X",), "clear", "Dictate"),
        Command("raw_words", "Show the words as recognised", ("Ctrl+Shift+W",), "", "Dictate"),
        Command("next_unsure", "Go to the next unsure word", ("F8",), "", "Dictate"),
        Command("word_choices", "What else the word may be", (), "", "Dictate", ("Alt+Down",)),
        Command("inspect_last", "Inspect the last recording", ("Ctrl+I",), "inspect", "Dictate"),
        Command("history", "Show past dictations", ("Ctrl+H",), "history", "Dictate"),
        Command("search_history", "Search past dictations", ("Ctrl+F",), "search", "Dictate"),
        Command("delete_dictation", "Delete the chosen dictation", (), "clear", "Dictate", ("Del",)),
        Command("models", "Models", ("Ctrl+M",), "model"),
        Command("toggle_theme", "Switch between light and dark", ("Ctrl+Shift+L",), "moon"),
        Command("shortcuts", "Keyboard shortcuts", ("F1",), "keyboard"),
        Command("quit", "Quit", ("Ctrl+Q",), "close"),
    )
}
SCREEN_KEYS = "Ctrl+{}"
"""Shortcut of the n-th screen, counted from 1."""


def native_keys(keys: str) -> str:
    """A key sequence as this system writes it."""
    return QKeySequence(keys, QKeySequence.SequenceFormat.PortableText).toString(QKeySequence.SequenceFormat.NativeText)


def make_action(
    name: str, theme: Theme, owner: QWidget, context: Qt.ShortcutContext = Qt.ShortcutContext.WindowShortcut
) -> QAction:
    """The command as an action of `owner`, whose shortcuts work while `owner` is visible."""
    command = COMMANDS[name]
    action = QAction(command.text, owner)
    action.setObjectName(f"action_{name}")
    action.setShortcuts([QKeySequence(keys) for keys in command.shortcuts])
    action.setShortcutContext(context)
    action.setToolTip(command.tooltip)
    dresser = _Dresser(action, theme, command.icon)
    theme.changed.connect(dresser.dress)
    dresser.dress()
    owner.addAction(action)
    return action


class _Dresser(QObject):
    """Keeps an action's icon in the theme's colour; lives as long as the action."""

    def __init__(self, action: QAction, theme: Theme, icon_name: str) -> None:
        super().__init__(action)
        self._action, self._theme, self._icon_name = action, theme, icon_name

    def dress(self) -> None:
        """Take the icon anew."""
        if self._icon_name:
            self._action.setIcon(self._theme.icon(self._icon_name))
