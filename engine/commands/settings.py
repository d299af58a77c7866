"""`w2v-engine settings`: every setting with its default and its meaning."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from engine import config as configuration


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser("settings", help="list every setting with its default and its meaning")
    command.set_defaults(run=print_settings)


def print_settings(_arguments: argparse.Namespace) -> int:
    """Print them; the exit status."""
    for key, default, words in configuration.describe():
        print(f"{key} = {default}")
        print(textwrap.indent(textwrap.fill(words, 100), "    "))
    return 0
