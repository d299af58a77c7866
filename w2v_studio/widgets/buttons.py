"""Buttons that follow the theme: with an icon, icon only, a picker, and the round record button."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QWidget,
)

from w2v_studio.theme import Theme


class Button(QPushButton):
    """A push button; `kind` is primary, secondary, ghost or danger."""

    def __init__(
        self, theme: Theme, text: str, icon_name: str = "", kind: str = "secondary", parent: QWidget | None = None
    ) -> None:
        super().__init__(text, parent)
        self._theme, self._icon_name, self._kind = theme, icon_name, kind
        self.setProperty("kind", kind)
        self.setIconSize(QSize(18, 18))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.changed.connect(self._dress)
        self._dress()

    def set_icon_name(self, icon_name: str) -> None:
        """Another icon."""
        self._icon_name = icon_name
        self._dress()

    def _dress(self) -> None:
        if self._icon_name:
            role = {"primary": "accent_text", "danger": "error"}.get(self._kind, "text")
            self.setIcon(self._theme.icon(self._icon_name, role))


class IconButton(QToolButton):
    """An icon alone; `text` is its accessible name and tooltip."""

    def __init__(self, theme: Theme, icon_name: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icon_name = theme, icon_name
        self.setProperty("kind", "ghost")
        self.setAccessibleName(text)
        self.setToolTip(text)
        self.setIconSize(QSize(20, 20))
        self.setFixedSize(36, 36)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.changed.connect(self._dress)
        self.toggled.connect(self._dress)
        self._dress()

    def set_icon_name(self, icon_name: str) -> None:
        """Another icon."""
        self._icon_name = icon_name
        self._dress()

    def _dress(self) -> None:
        self.setIcon(self._theme.icon(self._icon_name, "accent" if self.isChecked() else "text_muted"))


class Picker(QComboBox):
    """A combo box with an icon at the left and a chevron at the right; long entries are elided."""

    def __init__(self, theme: Theme, icon_name: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icon_name = theme, icon_name
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(36)
        theme.changed.connect(self.update)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Frame by the style sheet, the rest by hand."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = ""
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        role = "text" if self.isEnabled() else "text_muted"
        left = 12.0
        if self._icon_name:
            pixmap = self._theme.pixmap(self._icon_name, self._theme.colour("text_muted"), 18)
            painter.drawPixmap(QPointF(left, self.height() / 2 - 9), pixmap)
            left += 26
        chevron = self._theme.pixmap("chevron_down", self._theme.colour("text_muted"), 18)
        painter.drawPixmap(QPointF(self.width() - 26, self.height() / 2 - 9), chevron)
        place = QRectF(left, 0, self.width() - left - 30, self.height())
        painter.setPen(self._theme.colour(role))
        text = self.currentText() or self.placeholderText()
        text = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A wheel over a closed picker scrolls the page instead of changing the choice."""
        event.ignore()


class RecordButton(QAbstractButton):
    """The round button that starts and stops; checked while recording. A ring swells with the input's level."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._level = 0.0
        self._waiting = False
        self.setCheckable(True)
        self.setObjectName("record_button")
        self.setFixedSize(80, 80)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """80 x 80."""
        return QSize(80, 80)

    def nextCheckState(self) -> None:
        """A click asks; whether it records is set by the owner when it does."""

    def set_level(self, level: float) -> None:
        """How loud the input is, 0 to 1."""
        if abs(level - self._level) > 0.01:
            self._level = level
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Ring, disc, symbol, focus."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre = QPointF(self.width() / 2, self.height() / 2)
        recording = self.isChecked()
        ground, symbol = self._colours()
        if recording:
            halo = QColor(ground)
            halo.setAlphaF(0.22)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(halo)
            radius = 31 + 8 * min(max(self._level, 0.0), 1.0)
            painter.drawEllipse(centre, radius, radius)
        if self.isEnabled() and not recording and self.underMouse():
            ground = self._theme.colour("accent_hover")
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawEllipse(centre, 30 if not self.isDown() else 29, 30 if not self.isDown() else 29)
        if recording:
            painter.setBrush(symbol)
            painter.drawRoundedRect(QRectF(centre.x() - 9, centre.y() - 9, 18, 18), 4, 4)
        else:
            pixmap = self._theme.pixmap("microphone", symbol, 28)
            painter.drawPixmap(QPointF(centre.x() - 14, centre.y() - 14), pixmap)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self._theme.colour("text" if recording else "accent"), 2))
            painter.drawEllipse(centre, 35, 35)
        painter.end()

    def _colours(self) -> tuple[QColor, QColor]:
        if not self.isEnabled():
            return self._theme.colour("raised"), self._theme.colour("text_muted")
        if self.isChecked():
            return self._theme.colour("error"), self._theme.colour("error_text")
        return self._theme.colour("accent"), self._theme.colour("accent_text")
