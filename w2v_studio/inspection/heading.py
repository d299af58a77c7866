"""The top of the screen: which recording, which page of it, open and export."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from w2v_studio.inspection.clip import Clip, Page
from w2v_studio.theme import Theme
from w2v_studio.widgets.buttons import Button, IconButton, Picker
from w2v_studio.widgets.card import styled_label
from w2v_studio.widgets.time_axis import clock

NAME_PX = 280


class Heading(QWidget):
    """Name, length, pages, and the buttons."""

    open_clicked = Signal()
    last_dictation_clicked = Signal()
    page_chosen = Signal(int)
    export_clicked = Signal(str)  # png, csv or json

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = styled_label("", "title")
        self.name.setObjectName("inspect_name")
        self.status = styled_label("", "caption")
        self.status.setObjectName("inspect_status")
        self.pages = Picker(theme, "", "Page of the recording")
        self.pages.setObjectName("page_picker")
        self.pages.setFixedWidth(168)
        self.before = IconButton(theme, "chevron_left", "The page before")
        self.after = IconButton(theme, "chevron_right", "The next page")
        self.open_button = Button(theme, "Open…", "folder")
        self.open_button.setObjectName("inspect_open_button")
        self.open_button.setToolTip("Open a recording (Ctrl+O), or drop a file on this screen")
        self.last_button = Button(theme, "Last dictation", "history")
        self.last_button.setObjectName("inspect_last_button")
        self.export_button = Button(theme, "Export", "export")
        self.export_button.setObjectName("inspect_export_button")
        self._fill_menu()
        self._lay_out()
        self.open_button.clicked.connect(self.open_clicked)
        self.last_button.clicked.connect(self.last_dictation_clicked)
        self.pages.activated.connect(self.page_chosen)
        self.before.clicked.connect(lambda: self.page_chosen.emit(self.pages.currentIndex() - 1))
        self.after.clicked.connect(lambda: self.page_chosen.emit(self.pages.currentIndex() + 1))
        self.show_clip(None)
        self.show_last_dictation(False)

    def _fill_menu(self) -> None:
        menu = QMenu(self.export_button)
        for text, kind in (("Picture (PNG)…", "png"), ("Frames (CSV)…", "csv"), ("Frames and words (JSON)…", "json")):
            menu.addAction(text).triggered.connect(lambda _checked=False, kind=kind: self.export_clicked.emit(kind))
        self.export_button.setMenu(menu)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.name)
        words.addWidget(self.status)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addLayout(words, 1)
        for widget in (self.before, self.pages, self.after):
            row.addWidget(widget)
        for button in (self.last_button, self.open_button, self.export_button):
            row.addWidget(button)

    def show_clip(self, clip: Clip | None) -> None:
        """Name and pages of a recording."""
        name = "Inspect" if clip is None else clip.path.name
        self.name.setToolTip("" if clip is None else str(clip.path))
        self.name.setText(self.name.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, NAME_PX))
        pages = () if clip is None else clip.pages
        self.pages.clear()
        for page in pages:
            self.pages.addItem(f"{clock(page.start_s)} – {clock(page.end_s)}")
        for widget in (self.before, self.pages, self.after):
            widget.setVisible(len(pages) > 1)

    def show_page(self, clip: Clip, page: Page) -> None:
        """Which page is analysed."""
        place = clip.pages.index(page)
        self.pages.setCurrentIndex(place)
        self.before.setEnabled(place > 0)
        self.after.setEnabled(place + 1 < len(clip.pages))

    def show_status(self, text: str) -> None:
        """What is going on, or what is known."""
        self.status.setText(text)

    def show_last_dictation(self, known: bool) -> None:
        """Whether there is a dictation to open."""
        self.last_button.setEnabled(known)
        self.last_button.setToolTip("Open what you dictated last" if known else "Nothing was dictated yet")
