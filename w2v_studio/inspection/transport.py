"""Hear and zoom: the row of buttons over the timeline."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from w2v_studio.theme import Theme
from w2v_studio.widgets.buttons import Button, IconButton
from w2v_studio.widgets.time_axis import GUTTER_PX

BUTTON_PADDING_PX = 15
WIDE_PX = 680
NARROW_PX = 440


class Transport(QWidget):
    """Buttons only; what they do is wired by the view."""

    play_page_clicked = Signal()
    play_selection_clicked = Signal()
    play_cursor_clicked = Signal()
    stop_clicked = Signal()
    zoom_clicked = Signal(float)  # factor on the visible span
    fit_clicked = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.page_button = Button(theme, "Whole clip", "play", "ghost")
        self.page_button.setObjectName("play_clip_button")
        self.cursor_button = Button(theme, "From cursor", "play", "ghost")
        self.cursor_button.setObjectName("play_cursor_button")
        self.cursor_button.setToolTip("From where the cursor was put by a click or a key (Space)")
        self.selection_button = Button(theme, "Selection", "play", "ghost")
        self.selection_button.setObjectName("play_selection_button")
        self.stop_button = Button(theme, "Stop", "stop", "ghost")
        self.stop_button.setObjectName("stop_playback_button")
        self.stop_button.setEnabled(False)
        zoom_in = IconButton(theme, "zoom_in", "Zoom in (wheel or +)")
        zoom_in.setObjectName("zoom_in_button")
        zoom_out = IconButton(theme, "zoom_out", "Zoom out (wheel or -)")
        zoom_out.setObjectName("zoom_out_button")
        fit = Button(theme, "Fit", "", "ghost")
        fit.setObjectName("zoom_fit_button")
        fit.setToolTip("Show all that is analysed (0)")
        row = QHBoxLayout(self)
        row.setContentsMargins(GUTTER_PX - BUTTON_PADDING_PX, 0, 0, 0)  # icons over the left edge of the plots
        row.setSpacing(4)
        for button in (self.page_button, self.cursor_button, self.selection_button, self.stop_button):
            row.addWidget(button)
        row.addStretch()
        for tool in (zoom_out, zoom_in, fit):
            row.addWidget(tool)
        self.page_button.clicked.connect(self.play_page_clicked)
        self.cursor_button.clicked.connect(self.play_cursor_clicked)
        self.selection_button.clicked.connect(self.play_selection_clicked)
        self.stop_button.clicked.connect(self.stop_clicked)
        zoom_in.clicked.connect(lambda: self.zoom_clicked.emit(0.6))
        zoom_out.clicked.connect(lambda: self.zoom_clicked.emit(1 / 0.6))
        fit.clicked.connect(self.fit_clicked)
        self._names = {
            button: button.text()
            for button in (self.page_button, self.cursor_button, self.selection_button, self.stop_button)
        }
        for button, name in self._names.items():
            button.setAccessibleName(name)
        self.setMinimumWidth(NARROW_PX)
        self.show_selection(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is little room, icons and tooltips have to do."""
        super().resizeEvent(event)
        self._name_buttons()

    def _name_buttons(self) -> None:
        is_wide = self.width() >= WIDE_PX
        for button, name in self._names.items():
            button.setText(name if is_wide else "")
        for button in (self.page_button, self.stop_button):
            button.setToolTip("" if is_wide else self._names[button])

    def show_pages(self, several: bool) -> None:
        """Name what the first button plays."""
        self._names[self.page_button] = "Whole page" if several else "Whole clip"
        self.page_button.setAccessibleName(self._names[self.page_button])
        self._name_buttons()

    def show_selection(self, selected: bool) -> None:
        """Whether there is a selection to hear."""
        self.selection_button.setEnabled(selected)
        tip = "Hear what is selected (Space)" if selected else "Select first: drag with Shift held"
        self.selection_button.setToolTip(tip)

    def show_playing(self, playing: bool) -> None:
        """Stop is there while something sounds."""
        self.stop_button.setEnabled(playing)
