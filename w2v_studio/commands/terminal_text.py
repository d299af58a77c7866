"""Text that is rewritten in place on a terminal, and plain lines anywhere else."""

from __future__ import annotations

import shutil
from typing import TextIO

DIM, PLAIN = "\x1b[2m", "\x1b[0m"
CLEAR_LINE = "\r\x1b[2K"


class TerminalText:
    """Partial text takes one line and is cut at its left end to fit: a wrapped line could not be rewritten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()

    def show_partial(self, committed: str, unstable: str) -> None:
        """Draw the running text over the last partial one, what may still change dim. Nothing without a terminal."""
        if not self._is_terminal:
            return
        committed, unstable = fitted(committed, unstable, shutil.get_terminal_size().columns - 1)
        self._write(f"{CLEAR_LINE}{committed}{DIM}{unstable}{PLAIN}")

    def write_final(self, text: str) -> None:
        """Replace the partial text by a line that stays; empty text only clears it."""
        start = CLEAR_LINE if self._is_terminal else ""
        self._write(f"{start}{text}\n" if text else start)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def fitted(committed: str, unstable: str, columns: int) -> tuple[str, str]:
    """Both texts with the space between them, the newest `columns` characters, an ellipsis for what was cut."""
    if committed and unstable:
        committed += " "
    excess = len(committed) + len(unstable) - columns
    if excess <= 0:
        return committed, unstable
    if excess < len(committed):
        return "…" + committed[excess + 1 :], unstable
    return "", "…" + unstable[excess - len(committed) + 1 :]
