"""Ticks in the cells of a table, painted in the theme's colours and large enough to hit."""

from __future__ import annotations

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QPersistentModelIndex, QPointF, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from w2v_studio.theme import Theme

BOX_PX = 18


class TickDelegate(QStyledItemDelegate):
    """A click anywhere in the cell turns its tick."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """A rounded box at the cell's left; nothing where the row cannot be ticked."""
        if not index.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            return
        cell = QRectF(option.rect)
        box = QRectF(cell.left() + 10, cell.center().y() - BOX_PX / 2, BOX_PX, BOX_PX)
        ticked = is_ticked(index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.colour("accent" if ticked else "text_muted"), 1.4))
        painter.setBrush(self._theme.colour("accent" if ticked else "surface"))
        painter.drawRoundedRect(box, 5, 5)
        if ticked:
            painter.setPen(
                QPen(self._theme.colour("accent_text"), 2, c=Qt.PenCapStyle.RoundCap, j=Qt.PenJoinStyle.RoundJoin)
            )
            corners = ((0.26, 0.52), (0.44, 0.70), (0.76, 0.32))
            painter.drawPolyline([QPointF(box.left() + x * BOX_PX, box.top() + y * BOX_PX) for x, y in corners])
        painter.restore()

    def editorEvent(
        self,
        event: QEvent,
        model: QAbstractItemModel,
        _option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> bool:
        """Turn the tick when the left button is let go."""
        clicked = isinstance(event, QMouseEvent) and event.button() == Qt.MouseButton.LeftButton
        if event.type() != QEvent.Type.MouseButtonRelease or not clicked:
            return False
        if not index.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            return False
        state = Qt.CheckState.Unchecked if is_ticked(index) else Qt.CheckState.Checked
        return model.setData(index, state, Qt.ItemDataRole.CheckStateRole)


def is_ticked(index: QModelIndex | QPersistentModelIndex) -> bool:
    """Whether the cell has its tick."""
    return Qt.CheckState(index.data(Qt.ItemDataRole.CheckStateRole)) == Qt.CheckState.Checked
