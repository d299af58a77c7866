"""`w2v-studio tune`: its options."""

from __future__ import annotations

import argparse
from typing import Any

from w2v_studio.commands.options import add_recognition_options, count


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "tune",
        help="fit a model's language model weights and word confidence",
        description="Find how much a model's language model shall count, and how sure its words are, on recordings "
        "whose words are known and that it was not trained on; writes the model's decoding.json. Do not take "
        "recordings that its error rate will be reported on.",
    )
    command.add_argument(
        "--data", metavar="MANIFEST", nargs="+", required=True, help="tables with columns path and transcript"
    )
    command.add_argument(
        "--beam-width",
        type=count,
        metavar="N",
        help="hypotheses of the search; more are better and slower, 128 is much for any model (default: the model's)",
    )
    command.add_argument("--dry-run", action="store_true", help="show what is found, and write nothing")
    add_recognition_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.tuning import tune

    return tune(options)
