"""Colours, type and icons of the application, light and dark. Views take them by role and repaint on `changed`."""

from __future__ import annotations

from math import cos, radians, sin
from pathlib import Path
from string import Template

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from w2v_studio.assets import icons_folder, resources_folder

GRID_PX = 8
"""All spacing is a multiple of this, or half of it."""

NAMES = ("light", "dark")
FAMILY = "Inter"

# Text on its ground has a contrast of at least 4.5:1 in both themes (tests/w2v_studio/test_theme.py).
LIGHT = {
    "background": "#f3f5f4",
    "surface": "#ffffff",
    "raised": "#edf1f0",
    "hover": "#e4eae8",
    "border": "#d9e0de",
    "text": "#131a1a",
    "text_muted": "#56625f",
    "accent": "#0b746b",
    "accent_hover": "#095f58",
    "accent_soft": "#d7ece9",
    "accent_text": "#ffffff",
    "partial": "#66716f",
    "final": "#131a1a",
    "waveform": "#2f8f86",
    "mask": "#d98a1f",
    "good": "#1b7a46",
    "warning": "#8f5400",
    "error": "#bb2d3b",
    "error_soft": "#f9e3e4",
    "warning_soft": "#faeeda",
    "error_text": "#ffffff",
}
DARK = {
    "background": "#0e1213",
    "surface": "#161b1d",
    "raised": "#20272a",
    "hover": "#2a3235",
    "border": "#2c3538",
    "text": "#edf2f1",
    "text_muted": "#9cabaa",
    "accent": "#4ec9bb",
    "accent_hover": "#74d9cd",
    "accent_soft": "#17393a",
    "accent_text": "#06201d",
    "partial": "#93a2a0",
    "final": "#edf2f1",
    "waveform": "#55c2b5",
    "mask": "#e2aa52",
    "good": "#63c98c",
    "warning": "#e5b25d",
    "error": "#f2777f",
    "error_soft": "#3c2024",
    "warning_soft": "#3a2d18",
    "error_text": "#2b0709",
}
SERIES = {
    "light": ("#0b746b", "#c4571b", "#5b5fc7", "#b3801a", "#b0397c", "#2878b8", "#5d8a24", "#6d6a75"),
    "dark": ("#4ec9bb", "#f2925a", "#9ca0f5", "#e5c05c", "#ec82b8", "#6fb5ee", "#a3cf63", "#aeabb8"),
}

TYPE_SCALE = {
    "display": (26, QFont.Weight.DemiBold),
    "title": (20, QFont.Weight.DemiBold),
    "heading": (15, QFont.Weight.DemiBold),
    "transcript": (19, QFont.Weight.Normal),
    "body": (14, QFont.Weight.Normal),
    "label": (13, QFont.Weight.Medium),
    "caption": (12, QFont.Weight.Normal),
    "tiny": (10, QFont.Weight.Medium),
}
"""Role -> size in device-independent pixels, weight."""

STYLESHEET = Template("""
QWidget { color: $text; }
QMainWindow, QDialog, QWidget[ground="background"] { background: $background; }
QWidget[ground="surface"] { background: $surface; }
QFrame[card="true"] { background: $surface; border: 1px solid $border; border-radius: 12px; }
QFrame[rule="true"] { background: $border; border: none; max-height: 1px; min-height: 1px; }
QLabel { background: transparent; border: none; }
QLabel[role="display"] { font-size: 26px; font-weight: 600; }
QLabel[role="title"] { font-size: 20px; font-weight: 600; }
QLabel[role="heading"] { font-size: 15px; font-weight: 600; }
QLabel[role="label"] { font-size: 13px; font-weight: 500; color: $text_muted; }
QLabel[role="muted"] { color: $text_muted; }
QLabel[role="caption"] { font-size: 12px; color: $text_muted; }
QLabel[role="good"] { color: $good; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="error"] { color: $error; }

QPushButton, QToolButton { background: $surface; border: 1px solid $border; border-radius: 8px;
    padding: 7px 14px; font-weight: 500; }
QPushButton:hover, QToolButton:hover { background: $raised; }
QPushButton:pressed, QToolButton:pressed { background: $hover; }
QPushButton:focus, QToolButton:focus { border: 2px solid $accent; padding: 6px 13px; outline: none; }
QPushButton:disabled, QToolButton:disabled { color: $text_muted; background: $raised; border-color: $raised; }
QPushButton[kind="primary"] { background: $accent; color: $accent_text; border: 1px solid $accent; }
QPushButton[kind="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[kind="primary"]:focus { border: 2px solid $text; }
QPushButton[kind="primary"]:disabled { background: $raised; color: $text_muted; border-color: $raised; }
QPushButton[kind="danger"] { color: $error; }
QPushButton[kind="danger"]:hover { background: $error_soft; border-color: $error; }
QPushButton[kind="ghost"], QToolButton[kind="ghost"] { background: transparent; border: 1px solid transparent; }
QPushButton[kind="ghost"]:hover, QToolButton[kind="ghost"]:hover { background: $hover; }
QPushButton[kind="ghost"]:focus, QToolButton[kind="ghost"]:focus { border: 2px solid $accent; }
QPushButton[kind="ghost"]:checked, QToolButton[kind="ghost"]:checked { background: $accent_soft; color: $accent; }
QToolButton[kind="ghost"] { padding: 6px; }
QToolButton[kind="ghost"]:focus { padding: 5px; }

QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit { background: $surface; border: 1px solid $border;
    border-radius: 8px; padding: 6px 10px; selection-background-color: $accent; selection-color: $accent_text; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus { border: 2px solid $accent;
    padding: 5px 9px; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled { color: $text_muted; background: $raised; }
QSpinBox::up-button, QSpinBox::down-button { width: 0; border: none; }
QSpinBox QLineEdit { border: none; padding: 0; background: transparent; }
QTextEdit { background: transparent; border: none; selection-background-color: $accent;
    selection-color: $accent_text; }

QComboBox { background: $surface; border: 1px solid $border; border-radius: 8px; padding: 6px 30px 6px 12px;
    combobox-popup: 0; }
QComboBox:hover { background: $raised; }
QComboBox:focus { border: 2px solid $accent; padding: 5px 29px 5px 11px; }
QComboBox:disabled { color: $text_muted; background: $raised; border-color: $raised; }
QComboBox::drop-down { border: none; width: 28px; }
QComboBox::down-arrow { image: none; width: 0; height: 0; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $border; border-radius: 8px; padding: 4px;
    outline: none; selection-background-color: $accent_soft; selection-color: $text; }
QComboBox QAbstractItemView::item { min-height: 30px; padding: 2px 8px; border-radius: 6px; }

QCheckBox { spacing: 8px; background: transparent; }
QCheckBox:focus { color: $accent; }
QCheckBox::indicator { width: 14px; height: 14px; border: 2px solid $text_muted; border-radius: 5px;
    background: $surface; }
QCheckBox::indicator:checked { border: 2px solid $accent; background: $accent; }
QListView, QTreeView, QTableView { background: transparent; border: none; outline: none; }
QListView::item { border-radius: 8px; padding: 8px; }
QListView::item:hover { background: $raised; }
QListView::item:selected { background: $accent_soft; color: $text; }
QListView:focus { border: 2px solid $accent; border-radius: 8px; }
QHeaderView::section { background: $surface; color: $text_muted; border: none; padding: 6px 8px; font-weight: 500; }

QMenu { background: $surface; border: 1px solid $border; border-radius: 8px; padding: 4px; }
QMenu::item { padding: 7px 28px 7px 12px; border-radius: 6px; }
QMenu::item:selected { background: $accent_soft; color: $text; }
QMenu::item:disabled { color: $text_muted; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }
QToolTip { background: $text; color: $surface; border: none; padding: 6px 8px; }
QProgressBar { background: $raised; border: none; border-radius: 4px; min-height: 8px; max-height: 8px; }
QProgressBar::chunk { background: $accent; border-radius: 4px; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: $border; border-radius: 3px; min-height: 32px; min-width: 32px; }
QScrollBar::handle:hover { background: $text_muted; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page { background: none; width: 0;
    height: 0; }
QSplitter::handle { background: transparent; }
QTabBar::tab { background: transparent; color: $text_muted; padding: 8px 14px; border: none;
    border-bottom: 2px solid transparent; font-weight: 500; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; }
QTabBar::tab:focus { color: $accent; }
QTabWidget::pane { border: none; }
""")


class Theme(QObject):
    """The colours of one of two themes. `changed` follows every switch; painters ask again then."""

    changed = Signal()

    def __init__(self, name: str = "system", parent: QObject | None = None) -> None:
        """`name` is light, dark or system (what the desktop says, followed while it runs)."""
        super().__init__(parent)
        self._requested = self._name = "light"
        self._icons: dict[tuple[str, str], QIcon] = {}
        self._code_colours: list[QColor] = []
        self._folder: Path = icons_folder()
        load_fonts()
        if isinstance(QGuiApplication.instance(), QGuiApplication):
            QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)
        self.set_name(name)

    @property
    def name(self) -> str:
        """The theme in use: light or dark."""
        return self._name

    @property
    def requested(self) -> str:
        """What was asked for: light, dark or system."""
        return self._requested

    @property
    def is_dark(self) -> bool:
        """Whether light text stands on a dark ground."""
        return self._name == "dark"

    def set_name(self, name: str) -> None:
        """Switch to light, dark or system. Raises ValueError for another name."""
        if name not in (*NAMES, "system"):
            raise ValueError(f"no theme {name!r}: choose light, dark or system")
        self._requested = name
        resolved = system_theme() if name == "system" else name
        if resolved == self._name and self._code_colours:
            return
        self._name = resolved
        self._icons.clear()
        self._code_colours = [code_colour(index, dark=self.is_dark) for index in range(1024)]
        self.apply()
        self.changed.emit()

    def toggle(self) -> None:
        """Light becomes dark, dark becomes light."""
        self.set_name("light" if self.is_dark else "dark")

    def colour(self, role: str, alpha: float = 1.0) -> QColor:
        """The colour of a role, `alpha` from 0 (clear) to 1. Raises KeyError for an unknown role."""
        colour = QColor((DARK if self.is_dark else LIGHT)[role])
        colour.setAlphaF(alpha)
        return colour

    def series(self, index: int) -> QColor:
        """One of 8 well separated colours, for curves; the ninth is the first again."""
        colours = SERIES[self._name]
        return QColor(colours[index % len(colours)])

    def code_colour(self, code_id: int) -> QColor:
        """The colour of a code, the same in all lanes and groups; one lightness, hues a golden angle apart."""
        return QColor(self._code_colours[code_id % len(self._code_colours)])

    def font(self, role: str = "body") -> QFont:
        """The font of a role in TYPE_SCALE."""
        size_px, weight = TYPE_SCALE[role]
        font = QFont(QApplication.font()) if QGuiApplication.instance() is not None else QFont()
        font.setPixelSize(size_px)
        font.setWeight(weight)
        return font

    def icon(self, name: str, role: str = "text") -> QIcon:
        """resources/icons/NAME.svg in the colour of `role`, its disabled form muted."""
        key = (name, role)
        if key not in self._icons:
            icon = QIcon()
            for size_px in (16, 20, 24, 32, 48):
                icon.addPixmap(self.pixmap(name, self.colour(role), size_px))
                icon.addPixmap(self.pixmap(name, self.colour("text_muted", 0.6), size_px), QIcon.Mode.Disabled)
            self._icons[key] = icon
        return self._icons[key]

    def pixmap(self, name: str, colour: QColor, size_px: int) -> QPixmap:
        """resources/icons/NAME.svg drawn in `colour`, sharp on the primary screen."""
        source = (self._folder / f"{name}.svg").read_text(encoding="utf-8")
        renderer = QSvgRenderer(QByteArray(source.replace("currentColor", colour.name()).encode()))
        application = QGuiApplication.instance()
        ratio = application.devicePixelRatio() if isinstance(application, QGuiApplication) else 1.0
        pixmap = QPixmap(QSize(size_px, size_px) * ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        pixmap.setDevicePixelRatio(ratio)
        painter = QPainter(pixmap)
        painter.setOpacity(colour.alphaF())
        renderer.render(painter, QRectF(0, 0, size_px, size_px))
        painter.end()
        return pixmap

    def palette(self) -> QPalette:
        """The theme as a palette, for what the style sheet does not reach."""
        palette = QPalette()
        roles = {
            QPalette.ColorRole.Window: "background",
            QPalette.ColorRole.Base: "surface",
            QPalette.ColorRole.AlternateBase: "raised",
            QPalette.ColorRole.Button: "surface",
            QPalette.ColorRole.WindowText: "text",
            QPalette.ColorRole.Text: "text",
            QPalette.ColorRole.ButtonText: "text",
            QPalette.ColorRole.PlaceholderText: "text_muted",
            QPalette.ColorRole.Highlight: "accent",
            QPalette.ColorRole.HighlightedText: "accent_text",
            QPalette.ColorRole.Link: "accent",
            QPalette.ColorRole.ToolTipBase: "text",
            QPalette.ColorRole.ToolTipText: "surface",
        }
        for role, name in roles.items():
            palette.setColor(role, self.colour(name))
        for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.colour("text_muted"))
        return palette

    def stylesheet(self) -> str:
        """The style sheet of the whole application."""
        return STYLESHEET.substitute(DARK if self.is_dark else LIGHT)

    def apply(self) -> None:
        """Dress the running application, if there is one."""
        application = QApplication.instance()
        if not isinstance(application, QApplication):
            return
        if application.style().objectName() != "fusion":
            application.setStyle("fusion")
        font = QFont(FAMILY) if FAMILY in QFontDatabase.families() else application.font()
        font.setPixelSize(TYPE_SCALE["body"][0])
        application.setFont(font)
        application.setPalette(self.palette())
        application.setStyleSheet(self.stylesheet())

    def _follow_system(self) -> None:
        if self._requested == "system":
            self.set_name("system")


def load_fonts() -> None:
    """Make the fonts in resources/fonts known to Qt; without them the desktop's own font serves."""
    if not isinstance(QGuiApplication.instance(), QGuiApplication) or FAMILY in QFontDatabase.families():
        return
    for path in sorted((resources_folder() / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))


def system_theme() -> str:
    """What the desktop prefers, light where it does not say."""
    if not isinstance(QGuiApplication.instance(), QGuiApplication):
        return "light"
    return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"


def code_colour(index: int, *, dark: bool) -> QColor:
    """Hues a golden angle apart in OKLCH, so that neighbouring ids differ and none shouts."""
    lightness = (0.74, 0.66)[index % 2] if dark else (0.60, 0.68)[index % 2]
    return oklch(lightness, 0.115, index * 137.508 % 360)


def oklch(lightness: float, chroma: float, hue_degrees: float) -> QColor:
    """A colour of the OKLCH space (B. Ottosson, 2020), cut to sRGB."""
    a, b = chroma * cos(radians(hue_degrees)), chroma * sin(radians(hue_degrees))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    channels = [12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055 for x in (max(0.0, v) for v in linear)]
    return QColor.fromRgbF(*(min(1.0, max(0.0, x)) for x in channels))


def contrast(first: QColor, second: QColor) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""

    def luminance(colour: QColor) -> float:
        linear = [
            x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
            for x in (colour.redF(), colour.greenF(), colour.blueF())
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
