"""`w2v-studio evaluate`: its options."""

from __future__ import annotations

import argparse
from typing import Any

from w2v_studio.commands.options import add_decoding_options, add_recognition_options, count


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "evaluate",
        help="measure errors and latencies of a model",
        description="Measure a model on recordings whose words are known: word and character error rates with their "
        "95 % intervals, and with --stream how late live words come, by a virtual clock.",
    )
    command.add_argument(
        "--data", metavar="MANIFEST", nargs="+", required=True, help="tables with columns path and transcript"
    )
    command.add_argument("--only", metavar="REGEX", default="", help="rows whose path matches")
    command.add_argument("--stream", action="store_true", help="play each recording to live recognition too")
    command.add_argument("--json", action="store_true", help="one object a line for each manifest")
    command.add_argument("--worst", type=count, default=5, metavar="N", help="recordings to show (default: 5)")
    add_recognition_options(command)
    add_decoding_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.evaluating import evaluate

    return evaluate(options)
