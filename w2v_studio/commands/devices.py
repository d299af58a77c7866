"""`w2v-studio devices`: its options."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser("devices", help="list the microphones", description="List the microphones.")
    command.add_argument("--json", action="store_true", help="one object a line instead of a table")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.device_table import print_devices

    return print_devices(as_json=options.json)
