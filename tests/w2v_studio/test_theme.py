import itertools
import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from w2v_studio.actions import COMMANDS, native_keys
from w2v_studio.assets import icons_folder
from w2v_studio.theme import DARK, LIGHT, Theme, contrast, oklch

TEXTS = [
    *((role, ground) for role in ("text", "text_muted", "accent") for ground in ("background", "surface")),
    *((role, "surface") for role in ("partial", "final", "good", "warning", "error")),
    ("text_muted", "raised"),
    ("text", "accent_soft"),
    ("text", "warning_soft"),
    ("text", "error_soft"),
    ("accent_text", "accent"),
    ("error_text", "error"),
    ("accent", "accent_soft"),
]


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize(("role", "ground"), TEXTS)
def test_text_can_be_read(qapp, name, role, ground):
    theme = Theme(name)
    assert contrast(theme.colour(role), theme.colour(ground)) >= 4.5


def test_contrast_is_that_of_wcag():
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21)
    assert contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)


def test_both_themes_know_the_same_roles():
    assert LIGHT.keys() == DARK.keys()


def test_oklch_knows_the_corners_of_srgb():
    assert oklch(1.0, 0.0, 0.0).name() == "#ffffff"
    assert oklch(0.0, 0.0, 0.0).name() == "#000000"
    assert oklch(0.62796, 0.25768, 29.234).name() == "#ff0000"
    assert oklch(0.45201, 0.31321, 264.052).name() == "#0000ff"


def test_switching_tells_and_dresses_the_application(qtbot, qapp):
    theme = Theme("light")
    with qtbot.waitSignal(theme.changed):
        theme.toggle()
    assert theme.is_dark
    assert DARK["background"] in qapp.styleSheet()
    with qtbot.assertNotEmitted(theme.changed):
        theme.set_name("dark")
    with pytest.raises(ValueError, match="light, dark or system"):
        theme.set_name("blue")


def test_system_follows_the_desktop(qtbot, qapp):
    theme = Theme("system")
    expected = "dark" if qapp.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"
    assert (theme.name, theme.requested) == (expected, "system")


def test_neighbouring_codes_have_different_colours(qapp):
    theme = Theme("light")
    names = [theme.code_colour(code).name() for code in range(320)]
    assert len(set(names)) > 250
    assert all(first != second for first, second in itertools.pairwise(names))
    assert len({theme.series(index).name() for index in range(8)}) == 8
    assert theme.series(8) == theme.series(0)


def test_icons_have_one_stroke_width_and_take_the_colour(qapp):
    theme = Theme("light")
    paths = sorted(icons_folder().glob("*.svg"))
    assert paths
    for path in paths:
        source = path.read_text(encoding="utf-8")
        assert set(re.findall(r'stroke-width="([^"]+)"', source)) == {"1.75"}, path.name
        assert 'stroke="currentColor"' in source, path.name
        picture = theme.pixmap(path.stem, QColor("#ff0000"), 24).toImage()
        inked = [
            picture.pixelColor(x, y) for x in range(24) for y in range(24) if picture.pixelColor(x, y).alpha() > 200
        ]
        assert inked, f"{path.name} is empty"
        assert all(colour.red() > 240 and colour.green() < 10 for colour in inked), path.name


def test_commands_have_icons_and_no_shortcut_twice(qapp):
    keys = [key for command in COMMANDS.values() for key in command.shortcuts]
    assert len(set(keys)) == len(keys)
    assert all((icons_folder() / f"{command.icon}.svg").is_file() for command in COMMANDS.values() if command.icon)
    assert all(native_keys(key) for key in keys)
    assert all(name == command.name for name, command in COMMANDS.items())
