"""The window: a rail of screens at the left, the screen, and a line of facts below."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QByteArray, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QPainter, QPaintEvent, QPen, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from w2v_studio.actions import COMMANDS, SCREEN_KEYS, make_action, native_keys
from w2v_studio.settings import THEME, WINDOW_GEOMETRY, Settings
from w2v_studio.shortcuts_dialog import ShortcutsDialog
from w2v_studio.theme import GRID_PX, Theme
from w2v_studio.widgets.buttons import IconButton
from w2v_studio.widgets.card import as_sentence, styled_label

RAIL_PX = 88
MESSAGE_MS = 10_000


@dataclass(frozen=True)
class Screen:
    """A place of the window. `build` makes its widget when it is first shown."""

    name: str
    icon_name: str
    build: Callable[[], QWidget]


class RailButton(QAbstractButton):
    """An icon over its label; the chosen one on a soft ground."""

    def __init__(self, theme: Theme, text: str, icon_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icon_name = theme, icon_name
        self.setText(text)
        self.setAccessibleName(text)
        self.setCheckable(True)
        self.setFixedSize(72, 64)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)  # repaint when the mouse comes and goes
        theme.changed.connect(self.update)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Ground, icon, label, focus."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        if self.isChecked() or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("accent_soft" if self.isChecked() else "hover"))
            painter.drawRoundedRect(rect, 12, 12)
        role = "accent" if self.isChecked() else "text_muted"
        pixmap = self._theme.pixmap(self._icon_name, self._theme.colour(role), 24)
        painter.drawPixmap(QPointF(rect.center().x() - 12, 11), pixmap)
        painter.setFont(self._theme.font("caption"))
        painter.setPen(self._theme.colour("text" if self.isChecked() else "text_muted"))
        painter.drawText(QRectF(0, 37, self.width(), 18), Qt.AlignmentFlag.AlignCenter, self.text())
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self._theme.colour("accent"), 2))
            painter.drawRoundedRect(rect, 12, 12)
        painter.end()


class Fact(QWidget):
    """An icon and a short text of the status line."""

    def __init__(self, theme: Theme, icon_name: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icon_name, self._name = theme, icon_name, name
        self._icon = QLabel()
        self._label = styled_label("", "caption")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self._icon)
        row.addWidget(self._label)
        theme.changed.connect(self._dress)
        self._dress()
        self.set_text("")

    @property
    def text(self) -> str:
        """What it says."""
        return self._label.text()

    def set_text(self, text: str, tip: str = "") -> None:
        """Say something, or vanish with ""."""
        self._label.setText(text)
        self.setToolTip(tip or self._name)
        self.setAccessibleName(f"{self._name}: {text}")
        self.setVisible(bool(text))

    def _dress(self) -> None:
        self._icon.setPixmap(self._theme.pixmap(self._icon_name, self._theme.colour("text_muted"), 16))


class StatusLine(QWidget):
    """Which model, where it runs, how busy it is, and passing messages."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = Fact(theme, "model", "Model")
        self.model.setObjectName("status_model")
        self.provider = Fact(theme, "processor", "Runs on")
        self.provider.setObjectName("status_provider")
        self.load = Fact(theme, "load", "Processing time per second of sound")
        self.load.setObjectName("status_load")
        self.message = styled_label("", "caption")
        self.message.setObjectName("status_message")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(lambda: self.message.setText(""))
        row = QHBoxLayout(self)
        row.setContentsMargins(3 * GRID_PX, 4, 3 * GRID_PX, GRID_PX)
        row.setSpacing(20)
        row.addWidget(self.model)
        row.addWidget(self.provider)
        row.addWidget(self.load)
        row.addStretch(1)
        row.addWidget(self.message)
        self.setFixedHeight(32)

    def show_message(self, text: str) -> None:
        """Say something for ten seconds."""
        self.message.setText(as_sentence(text))
        self._timer.start(MESSAGE_MS)


class MainWindow(QMainWindow):
    """Holds the screens; builds each when it is first shown."""

    first_painted = Signal()
    closing = Signal()
    screen_shown = Signal(str)

    def __init__(self, theme: Theme, settings: Settings, screens: Sequence[Screen]) -> None:
        super().__init__()
        self._theme, self._settings, self._screens = theme, settings, list(screens)
        self._built: dict[str, QWidget] = {}
        self._was_painted = False
        self.setWindowTitle("w2v studio")
        self.setMinimumSize(960, 600)
        self.stack = QStackedWidget()
        self.status = StatusLine(theme)
        self._rail_buttons = QButtonGroup(self)
        self._rail_buttons.setExclusive(True)
        page = QWidget()
        page.setProperty("ground", "background")
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._build_rail())
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self.stack, 1)
        column.addWidget(self.status)
        row.addLayout(column, 1)
        self.setCentralWidget(page)
        make_action("quit", theme, self).triggered.connect(self.close)
        theme.changed.connect(self._dress)
        self._dress()
        self._restore_geometry()

    def screen_widget(self, name: str) -> QWidget:
        """The widget of a screen, built if need be."""
        if name not in self._built:
            widget = next(screen for screen in self._screens if screen.name == name).build()
            self._built[name] = widget
            self.stack.addWidget(widget)
        return self._built[name]

    def show_screen(self, name: str) -> None:
        """Go to a screen."""
        self.stack.setCurrentWidget(self.screen_widget(name))
        place = next(place for place, screen in enumerate(self._screens) if screen.name == name)
        self._rail_buttons.button(place).setChecked(True)
        self.screen_shown.emit(name)

    @property
    def current_screen(self) -> str:
        """The name of the screen that is shown."""
        return next((name for name, widget in self._built.items() if widget is self.stack.currentWidget()), "")

    def show_shortcuts(self) -> None:
        """The list of shortcuts, made from the table of commands."""
        ShortcutsDialog(self._theme, [screen.name for screen in self._screens], self).exec()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell of the first paint once it is over."""
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the window's place, and let everybody finish."""
        self._settings.set(WINDOW_GEOMETRY, base64.b64encode(self.saveGeometry().data()).decode())
        self.setEnabled(False)
        self.closing.emit()
        super().closeEvent(event)

    def _build_rail(self) -> QWidget:
        rail = QWidget()
        rail.setFixedWidth(RAIL_PX)
        rail.setProperty("ground", "surface")
        rail.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(rail)
        column.setContentsMargins(8, 2 * GRID_PX, 8, 2 * GRID_PX)
        column.setSpacing(GRID_PX)
        self._mark = QLabel()
        self._mark.setFixedHeight(36)
        self._mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self._mark)
        column.addSpacing(GRID_PX)
        for place, screen in enumerate(self._screens):
            button = RailButton(self._theme, screen.name, screen.icon_name)
            button.setObjectName(f"rail_{screen.name.lower()}")
            keys = SCREEN_KEYS.format(place + 1)
            button.setToolTip(f"{screen.name} ({native_keys(keys)})")
            button.clicked.connect(lambda _checked=False, name=screen.name: self.show_screen(name))
            QShortcut(QKeySequence(keys), self, lambda name=screen.name: self.show_screen(name))
            self._rail_buttons.addButton(button, place)
            column.addWidget(button)
        column.addStretch(1)
        self._theme_button = self._rail_command("toggle_theme", self._toggle_theme)
        column.addWidget(self._theme_button, 0, Qt.AlignmentFlag.AlignHCenter)
        shortcuts = self._rail_command("shortcuts", self.show_shortcuts)
        column.addWidget(shortcuts, 0, Qt.AlignmentFlag.AlignHCenter)
        return rail

    def _rail_command(self, name: str, run: Callable[[], None]) -> IconButton:
        command = COMMANDS[name]
        button = IconButton(self._theme, command.icon, command.text)
        button.setObjectName(f"{name}_button")
        button.setToolTip(command.tooltip)
        button.clicked.connect(lambda _checked=False: run())
        make_action(name, self._theme, self).triggered.connect(lambda _checked=False: run())
        return button

    def _toggle_theme(self) -> None:
        self._theme.toggle()
        self._settings.set(THEME, self._theme.name)

    def _dress(self) -> None:
        self._mark.setPixmap(self._theme.pixmap("sample", self._theme.colour("accent"), 32))
        self._theme_button.set_icon_name("sun" if self._theme.is_dark else "moon")
        self.setWindowIcon(self._theme.icon("sample", "accent"))

    def _restore_geometry(self) -> None:
        kept = str(self._settings.get(WINDOW_GEOMETRY))
        try:
            restored = bool(kept) and self.restoreGeometry(QByteArray(base64.b64decode(kept)))
        except ValueError:
            restored = False
        if not restored:
            available = self.screen_size()
            self.resize(min(1280, available.width()), min(800, available.height()))

    def screen_size(self) -> QSize:
        """The room on the screen of this window."""
        return self.screen().availableGeometry().size()
