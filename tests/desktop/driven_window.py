"""Runs `w2v-studio` as a person starts it, and presses its buttons when told to through a socket.

The program is the real one, started through its own main(). A thread beside it reads one JSON object a line
({"do": NAME, ...}), lets the window's thread do it, and answers one JSON object a line.
"""

import json
import os
import socket
import sys
import threading
import time
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, QPoint, Qt, Signal
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QTreeWidget, QWidget

from w2v_studio.__main__ import main


class Fingers(QObject):
    """Does what it is asked, in the window's thread: finds widgets by object name, clicks, types, reads."""

    asked = Signal(dict)
    answered = Signal(dict)

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._file = connection.makefile("rw", encoding="utf-8")
        self.asked.connect(self.do)

    def read(self) -> None:
        """Pass what is asked on to the window's thread; returns when the other side hangs up."""
        for line in self._file:
            self.asked.emit(json.loads(line))

    def do(self, order: dict[str, Any]) -> None:
        """One order; the answer has `value`, or `error`."""
        try:
            answer = {"value": getattr(self, "do_" + order.pop("do"))(**order)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        self._file.write(json.dumps(answer) + "\n")
        self._file.flush()

    def widget(self, name: str) -> QWidget:
        """The visible widget of that object name."""
        found = [item for item in QApplication.allWidgets() if item.objectName() == name]
        shown = [item for item in found if item.isVisible()]
        if not shown:
            names = sorted({item.objectName() for item in QApplication.allWidgets() if item.isVisible()} - {""})
            raise LookupError(f"{name} is {'not visible' if found else 'not there'}; visible: {', '.join(names)}")
        return shown[0]

    def do_windows(self) -> list[str]:
        """Titles of the visible windows."""
        return [item.windowTitle() for item in QApplication.topLevelWidgets() if item.isVisible()]

    def do_modules(self) -> list[str]:
        """Top-level modules that are loaded."""
        return sorted({name.partition(".")[0] for name in sys.modules})

    def do_click(self, name: str) -> None:
        widget = self.widget(name)
        if not widget.isEnabled():
            raise RuntimeError(f"{name} is disabled")
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def do_key(self, name: str, key: str) -> None:
        QTest.keyClick(self.widget(name), getattr(Qt.Key, f"Key_{key}"))

    def do_type(self, name: str, text: str) -> None:
        widget = self.widget(name)
        widget.selectAll()
        QTest.keyClicks(widget, text)
        QTest.keyClick(widget, Qt.Key.Key_Tab)

    def do_text(self, name: str) -> str:
        """What the widget shows; nothing where it is not visible."""
        try:
            widget = self.widget(name)
        except LookupError:
            return ""
        for reader in ("toPlainText", "currentText", "text"):
            if hasattr(widget, reader):
                text = getattr(widget, reader)
                return str(text() if callable(text) else text)
        raise TypeError(f"{name}, a {type(widget).__name__}, has no text")

    def do_is_enabled(self, name: str) -> bool:
        try:
            return self.widget(name).isEnabled()
        except LookupError:
            return False

    def do_pick(self, name: str, text: str) -> str:
        """Choose the first entry that contains `text`."""
        box = self.widget(name)
        assert isinstance(box, QComboBox)
        entries = [box.itemText(index) for index in range(box.count())]
        places = [index for index, entry in enumerate(entries) if text in entry]
        if not places:
            raise LookupError(f"{name} has no {text!r}, only {entries}")
        box.setCurrentIndex(places[0])
        return box.currentText()

    def do_rows(self, name: str) -> list[str]:
        tree = self.widget(name)
        assert isinstance(tree, QTreeWidget)
        return [tree.topLevelItem(index).text(0) for index in range(tree.topLevelItemCount())]

    def do_tick(self, name: str, row: str, column: int) -> bool:
        """Click the tick in that column of the row named `row`; whether it is ticked now."""
        tree = self.widget(name)
        assert isinstance(tree, QTreeWidget)
        item = next(
            tree.topLevelItem(index)
            for index in range(tree.topLevelItemCount())
            if tree.topLevelItem(index).text(0) == row
        )
        tree.scrollToItem(item)
        rectangle = tree.visualItemRect(item)
        x = tree.columnViewportPosition(column) + tree.columnWidth(column) // 2
        QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, rectangle.center().y()))
        return bool(item.checkState(column) == Qt.CheckState.Checked)

    def do_grab(self, path: str) -> bool:
        window = next(item for item in QApplication.topLevelWidgets() if item.isVisible())
        return bool(window.grab().save(path))

    def do_close(self) -> None:
        for item in QApplication.topLevelWidgets():
            if item.isVisible():
                item.close()


def attend(connection: socket.socket) -> None:
    """Wait for the application to be there, then serve."""
    while (application := QCoreApplication.instance()) is None:
        time.sleep(0.01)
    fingers = Fingers(connection)
    fingers.moveToThread(application.thread())
    fingers.read()


if __name__ == "__main__":
    served = socket.socket(fileno=int(os.environ.pop("W2V_STUDIO_TEST_SOCKET")))
    threading.Thread(target=attend, args=(served,), daemon=True).start()
    sys.exit(main([]))
