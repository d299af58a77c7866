"""`w2v-studio transcribe`: its options."""

from __future__ import annotations

import argparse
from typing import Any

from w2v_studio.commands.options import add_decoding_options, add_recognition_options, count

FORMATS = ("text", "json", "srt", "vtt", "ctm", "textgrid")


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "transcribe",
        help="write the text of audio and video files",
        description="Write the text of audio and video files of any kind, rate, length and number of channels. What "
        "cannot be read is told at the end of its own line, and the others go on.",
    )
    command.add_argument("files", metavar="FILE", nargs="+", help="files, and with --recursive folders")
    command.add_argument("--recursive", "-r", action="store_true", help="all sound and video files inside folders")
    add_recognition_options(command)
    add_decoding_options(command)
    command.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="json: one object a line for each file, with words and times; srt, vtt: subtitles; ctm, textgrid: words "
        "with times for sclite and Praat (default: text)",
    )
    places = command.add_mutually_exclusive_group()
    places.add_argument(
        "--out",
        metavar="FILE_OR_FOLDER",
        help="write there instead of to the terminal; several files go into a folder, each as NAME.srt or the like",
    )
    places.add_argument("--beside", action="store_true", help="write each transcript beside its recording")
    present = command.add_mutually_exclusive_group()
    present.add_argument("--force", action="store_true", help="replace transcripts that exist")
    present.add_argument("--skip-existing", action="store_true", help="leave out recordings whose transcript exists")
    styles = command.add_mutually_exclusive_group()
    styles.add_argument("--raw", action="store_true", help="the model's words without capitals and digits")
    styles.add_argument(
        "--dictated", action="store_true", help='carry out spoken marks and commands ("comma", "new line")'
    )
    cuts = command.add_mutually_exclusive_group()
    cuts.add_argument(
        "--whole", action="store_true", help="do not cut at pauses (default: cut what is longer than 20 seconds)"
    )
    cuts.add_argument("--pauses", action="store_true", help="cut short recordings at pauses too")
    command.add_argument(
        "--jobs", type=count, metavar="N", help="files at once on the CPU (default: one for each physical core)"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status."""
    from w2v_studio.commands.transcribing import transcribe_files

    return transcribe_files(options)
