"""`w2v-engine adapt-lm`: a bundle's language model, taught somebody's texts. No torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.commands.usage import UsageError


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "adapt-lm",
        help="teach a bundle's language model your texts",
        description="Teach the language model of a bundle that finds words by phones the words and turns of phrase of "
        "your texts: notes, letters, names. Writes lm.npz and lexicon.txt.gz, which has the new words too; with the "
        "bundle itself as --out it uses them from then on. Fine-tuning does the same with its transcripts. Texts are "
        "UTF-8 (.txt, .gz, .xz), or manifests (.tsv), whose transcripts count; sentences that it was taught before "
        "count once.",
    )
    command.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder of a bundle")
    command.add_argument("texts", nargs="+", type=Path, metavar="TEXT")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write both files")
    command.add_argument("--language", default="en", help="en spells numbers in words (default en)")
    command.set_defaults(run=adapt)


def adapt(arguments: argparse.Namespace) -> int:
    """Read, teach, write; the exit status. Raises UsageError."""
    from engine.text.ngram.teaching import TeachingError, teach

    try:
        lesson = teach(arguments.bundle, arguments.texts, arguments.out, arguments.language)
    except TeachingError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}; choose another place") from error
    print(f"{arguments.out}: {lesson}", file=sys.stderr)
    return 0
