"""The command w2v-studio: without a command it opens the window, with one it works in the terminal.

Here and in the modules of COMMANDS only the standard library is imported at first, so that help and mistakes are
answered at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from w2v_studio.commands import bench, devices, dictate, doctor, evaluate, models, transcribe, tune

COMMANDS = (transcribe, dictate, evaluate, tune, models, devices, doctor, bench)
"""In the order of the help. Each has `add_commands(subparsers)`, which sets `run(options) -> exit status`."""


class VersionAction(argparse.Action):
    """Looks the version up only when it is asked for, as that takes a while."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print it and exit."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("w2v-studio")
        except PackageNotFoundError:
            found = "(not installed as a package)"
        print(f"w2v-studio {found}")
        parser.exit()


def argument_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="w2v-studio",
        description="Dictate with wav2vec 2.0, train it, and see what it learned. Without a command: the window.",
    )
    parser.add_argument("--version", action=VersionAction, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    for module in COMMANDS:
        module.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: the command line's) and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        from w2v_studio.app import run

        return run([sys.argv[0]])
    options = argument_parser().parse_args(arguments)
    from w2v_studio.commands.running import run_command

    return run_command(options)


if __name__ == "__main__":
    sys.exit(main())
