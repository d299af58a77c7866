"""`w2v-studio bench`: its options."""

from __future__ import annotations

import argparse
from typing import Any

from w2v_studio.commands.options import add_format_option, add_recognition_options, count


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "bench",
        help="measure how fast a model is on this machine",
        description="Measure how fast a model is on this machine: seconds for a second of sound by length of the "
        "window, the load of live recognition, what listening to silence costs; and which settings suit it. "
        "Takes about a minute; other programs should rest meanwhile.",
    )
    add_recognition_options(command)
    command.add_argument(
        "--threads",
        type=count,
        nargs="+",
        metavar="N",
        help="threads to try on the CPU (default: 1, 2 and 4, as far as there are processors)",
    )
    add_format_option(command, "json: one object with all that was measured")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.benching import bench

    return bench(options)
