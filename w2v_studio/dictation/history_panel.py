"""Past dictations: search, open, delete."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QLineEdit,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from w2v_studio.dictation.store import Dictation
from w2v_studio.dictation.written import written_line
from w2v_studio.text_stage.stage import TextStage
from w2v_studio.theme import Theme
from w2v_studio.widgets.card import Card, styled_label
from w2v_studio.widgets.time_axis import clock

Index = QModelIndex | QPersistentModelIndex
DICTATION_ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT_PX = 68


class DictationList(QAbstractListModel):
    """Dictations as rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dictations: list[Dictation] = []

    def set_dictations(self, dictations: Sequence[Dictation]) -> None:
        """Show these."""
        self.beginResetModel()
        self._dictations = list(dictations)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own default
        """How many there are."""
        return 0 if parent.isValid() else len(self._dictations)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The dictation, or its text for screen readers."""
        if not index.isValid():
            return None
        dictation = self._dictations[index.row()]
        if role == DICTATION_ROLE:
            return dictation
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{when(dictation.started_at)}: {dictation.text or 'no words'}"
        return None

    def row_of(self, number: int) -> int | None:
        """The row of a dictation."""
        return next((row for row, item in enumerate(self._dictations) if item.id == number), None)


class DictationDelegate(QStyledItemDelegate):
    """A row: when and how long, and the beginning of the text."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.stage: TextStage | None = None
        self._lines: dict[int, str] = {}

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """Equal rows."""
        return QSize(100, ROW_HEIGHT_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Ground, head line, two lines of text."""
        dictation: Dictation = index.data(DICTATION_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect: QRect = option.rect.adjusted(0, 2, 0, -2)
        state = option.state
        ground = None
        if state & QStyle.StateFlag.State_Selected:
            ground = "accent_soft"
        elif state & QStyle.StateFlag.State_MouseOver:
            ground = "raised"
        if ground is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour(ground))
            painter.drawRoundedRect(rect, 8, 8)
        inner = rect.adjusted(10, 6, -10, -6)
        painter.setFont(self._theme.font("caption"))
        painter.setPen(self._theme.colour("text_muted"))
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft, when(dictation.started_at))
        length = clock(dictation.duration_s or 0.0) + ("  edited" if dictation.is_corrected else "")
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight, length)
        painter.setFont(self._theme.font("body"))
        text = self._line(dictation)
        painter.setPen(self._theme.colour("text" if text else "text_muted"))
        line = painter.fontMetrics().elidedText(text or "No words", Qt.TextElideMode.ElideRight, inner.width())
        painter.drawText(inner.adjusted(0, 20, 0, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, line)
        painter.restore()

    def forget(self, stage: TextStage) -> None:
        """Write all rows anew, by `stage`."""
        self.stage = stage
        self._lines.clear()

    def _line(self, dictation: Dictation) -> str:
        """The text in one line, made when the row is first seen."""
        if dictation.id not in self._lines:
            self._lines[dictation.id] = (
                written_line(self.stage, dictation) if self.stage else dictation.text.replace("\n", " ")
            )
        return self._lines[dictation.id]


class HistoryView(QListView):
    """The list; Enter or a double click opens, Delete deletes."""

    delete_requested = Signal(int)
    open_requested = Signal(int)

    def chosen(self) -> int | None:
        """The number of the chosen dictation."""
        dictation = self.currentIndex().data(DICTATION_ROLE)
        return dictation.id if isinstance(dictation, Dictation) else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys on the chosen row."""
        number = self.chosen()
        if number is not None and event.key() == Qt.Key.Key_Delete:
            self.delete_requested.emit(number)
        elif number is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_requested.emit(number)
        elif event.key() == Qt.Key.Key_Space:
            event.ignore()  # Space records
        else:
            super().keyPressEvent(event)


class HistoryPanel(Card):
    """Search field and list. Emits what the user wants with a dictation's number."""

    search_changed = Signal(str)
    open_requested = Signal(int)
    inspect_requested = Signal(int)
    delete_requested = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Past dictations", parent)
        self._theme = theme
        self.setObjectName("history")
        self.setFixedWidth(304)
        self.search = QLineEdit()
        self.search.setObjectName("history_search")
        self.search.setPlaceholderText("Search")
        self.search.setAccessibleName("Search past dictations")
        self.search.setClearButtonEnabled(True)
        self._search_icon = QAction(self.search)
        self.search.addAction(self._search_icon, QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(self.search_changed)
        self.list = HistoryView()
        self.list.setObjectName("history_list")
        self.list.setAccessibleName("Past dictations")
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._rows = DictationList(self.list)
        self._delegate = DictationDelegate(theme, self.list)
        self.list.setModel(self._rows)
        self.list.setItemDelegate(self._delegate)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._show_menu)
        self.list.doubleClicked.connect(lambda index: self.open_requested.emit(index.data(DICTATION_ROLE).id))
        self.list.open_requested.connect(self.open_requested)
        self.list.delete_requested.connect(self.delete_requested)
        self._empty = styled_label("Nothing yet. What you dictate is kept here, with its sound.", "muted")
        self._empty.setWordWrap(True)
        self.body.addWidget(self.search)
        self.body.addWidget(self._empty)
        self.body.addWidget(self.list, 1)
        self._filler = QWidget()
        self.body.addWidget(self._filler, 1)
        theme.changed.connect(self._dress)
        self._dress()

    def set_dictations(self, dictations: Sequence[Dictation], stage: TextStage) -> None:
        """Show these, keeping the choice."""
        chosen = self.list.chosen()
        self._delegate.forget(stage)
        self._rows.set_dictations(dictations)
        row = self._rows.row_of(chosen) if chosen is not None else None
        if row is not None:
            self.list.setCurrentIndex(self._rows.index(row))
        searching = bool(self.search.text().strip())
        self._empty.setText(
            "No dictation has these words." if searching else "Nothing yet. What you dictate is kept here."
        )
        self._empty.setVisible(not dictations)
        self.list.setVisible(bool(dictations))
        self._filler.setVisible(not dictations)

    def _show_menu(self, place: QPoint) -> None:
        index = self.list.indexAt(place)
        if not index.isValid():
            return
        number = index.data(DICTATION_ROLE).id
        menu = QMenu(self)
        menu.addAction("Open", lambda: self.open_requested.emit(number))
        menu.addAction("Inspect", lambda: self.inspect_requested.emit(number))
        menu.addSeparator()
        menu.addAction("Delete", lambda: self.delete_requested.emit(number))
        menu.exec(self.list.viewport().mapToGlobal(place))
        menu.deleteLater()

    def _dress(self) -> None:
        self._search_icon.setIcon(self._theme.icon("search", "text_muted"))
        self.list.viewport().update()


def when(seconds: float, now: float | None = None) -> str:
    """A moment for people: today's time, or date and time."""
    then, today = time.localtime(seconds), time.localtime(now)
    if (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday):
        return f"Today {time.strftime('%H:%M', then)}"
    form = "%d %b, %H:%M" if then.tm_year == today.tm_year else "%d %b %Y, %H:%M"
    return time.strftime(form, then).lstrip("0")
