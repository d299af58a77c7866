"""`w2v-studio dictate`: its options."""

from __future__ import annotations

import argparse
from typing import Any

from w2v_studio.commands.options import add_decoding_options, add_format_option, add_recognition_options, seconds


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "dictate",
        help="write what the microphone hears, live",
        description="Write what the microphone hears. Ctrl-C ends. Dim words may still change, plain ones are final.",
    )
    command.add_argument("--device", metavar="NAME_OR_NUMBER", help="microphone, see `w2v-studio devices`")
    command.add_argument("--seconds", type=seconds, metavar="N", help="stop after N seconds of sound")
    add_recognition_options(command)
    add_decoding_options(command)
    add_format_option(command, "json: one object a line for each finished segment")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.dictating import dictate
    from w2v_studio.commands.running import open_recognizer

    return dictate(options, open_recognizer(options))
