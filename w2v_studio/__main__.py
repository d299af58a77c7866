"""The command w2v-studio: without a command it opens the window, with one it works in the terminal.

Only the standard library is imported here, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any


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

    transcribe = commands.add_parser(
        "transcribe",
        help="write the text of audio files",
        description="Write the text of audio files: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF; any rate and channels.",
    )
    transcribe.add_argument("files", metavar="FILE", nargs="+")
    _add_recognition_options(transcribe, "json: one object a line for each file, with words and times")

    dictate = commands.add_parser(
        "dictate",
        help="write what the microphone hears, live",
        description="Write what the microphone hears. Ctrl-C ends. Dim words may still change, plain ones are final.",
    )
    dictate.add_argument("--device", metavar="NAME_OR_NUMBER", help="microphone, see `w2v-studio devices`")
    dictate.add_argument("--seconds", type=_seconds, metavar="N", help="stop after N seconds of sound")
    _add_recognition_options(dictate, "json: one object a line for each finished segment")

    devices = commands.add_parser("devices", help="list the microphones", description="List the microphones.")
    devices.add_argument("--json", action="store_true", help="one object a line instead of a table")
    return parser


def _add_recognition_options(parser: argparse.ArgumentParser, json_help: str) -> None:
    parser.add_argument("--bundle", metavar="NAME_OR_PATH", help="model to use (default: the first installed one)")
    parser.add_argument(
        "--provider",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute; auto takes a GPU when it works (default: auto)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help=f"{json_help} (default: text)")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


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
