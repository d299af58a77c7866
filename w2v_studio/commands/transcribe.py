"""`w2v-studio transcribe`: its options."""

from __future__ import annotations

import argparse
from typing import Any

from w2v_studio.commands.options import add_format_option, add_recognition_options


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "transcribe",
        help="write the text of audio files",
        description="Write the text of audio files: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF; any rate and channels.",
    )
    command.add_argument("files", metavar="FILE", nargs="+")
    add_recognition_options(command)
    add_format_option(command, "json: one object a line for each file, with words and times")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.running import open_recognizer
    from w2v_studio.commands.transcribing import transcribe_files

    return transcribe_files(options, open_recognizer(options))
