"""`w2v-studio doctor`: its options."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "doctor",
        help="look over this installation",
        description="Look over this installation: packages, where models run and why, microphones, models, folders. "
        "Exit status 1 if something keeps the program from working.",
    )
    command.add_argument("--json", action="store_true", help="one object a line for each finding")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.doctoring import examine

    return examine(as_json=options.json)
