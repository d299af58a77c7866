import io
import os

import pytest

from w2v_studio.commands import terminal_text
from w2v_studio.commands.terminal_text import CLEAR_LINE, DIM, PLAIN, TerminalText, fitted


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_partial_text_is_rewritten_in_place_and_final_text_stays():
    screen = Screen()
    text = TerminalText(screen)
    text.show_partial("ONE", "TOO")
    text.show_partial("ONE TWO", "")
    text.write_final("ONE TWO")
    assert screen.getvalue() == (f"{CLEAR_LINE}ONE {DIM}TOO{PLAIN}{CLEAR_LINE}ONE TWO{DIM}{PLAIN}{CLEAR_LINE}ONE TWO\n")


def test_elsewhere_only_final_lines_are_written():
    stream = io.StringIO()
    text = TerminalText(stream)
    text.show_partial("ONE", "TOO")
    text.write_final("ONE TWO")
    text.write_final("")
    assert stream.getvalue() == "ONE TWO\n"


def test_a_long_partial_text_shows_its_end_on_one_line(monkeypatch):
    monkeypatch.setattr(terminal_text.shutil, "get_terminal_size", lambda: os.terminal_size((12, 24)))
    screen = Screen()
    TerminalText(screen).show_partial("ONE TWO THREE", "FOUR")
    assert screen.getvalue() == f"{CLEAR_LINE}…THREE {DIM}FOUR{PLAIN}"


@pytest.mark.parametrize("columns", range(2, 20))
def test_fitted_text_is_never_wider_and_ends_with_the_newest(columns):
    committed, unstable = fitted("ONE TWO", "THREE", columns)
    both = committed + unstable
    assert len(both) <= columns
    assert "ONE TWO THREE".endswith(both.lstrip("…"))
    assert both.startswith("…") == (columns < len("ONE TWO THREE"))
