"""`w2v-engine`: everything the engine does, from a shell. Arguments are checked before torch is loaded.

A command is a module of engine/commands, listed below.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import events
from engine.commands import adapt_lm, build_lm, check, cut, evaluate, export_hf, import_checkpoint, settings, train
from engine.commands.usage import UsageError
from engine.config import ConfigError
from engine.data.manifest import DataError

COMMANDS = (check, cut, train, evaluate, import_checkpoint, export_hf, build_lm, adapt_lm, settings)
"""In the order of the help. Each has `add_commands(subparsers)`, which sets `run(arguments) -> exit status`."""


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="w2v-engine", description="Pre-train wav2vec 2.0, fine-tune it with CTC, measure it."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_commands(commands)
    return parser


def _note_failure(arguments: argparse.Namespace, message: str) -> None:
    """Whoever watches a folder made for this run learns from it why the run never began."""
    folder: Path | None = getattr(arguments, "out", None)
    if os.environ.get("RANK", "0") != "0":  # under torchrun the first process speaks for all
        return
    if folder is None or not folder.is_dir() or (folder / events.EVENTS_FILE).exists():
        return
    try:
        writer = events.EventWriter(folder)
        writer.write(events.Failed(message=message))
        writer.close()
    except OSError:
        return


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0 done or stopped as asked, 1 failed, 2 an order that cannot be carried out."""
    arguments = build_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except KeyboardInterrupt:
        print("w2v-engine: interrupted", file=sys.stderr)
        return 1
    except (UsageError, ConfigError, DataError) as error:
        message = str(error)
    except ValueError as error:
        # CheckpointError and its like, which are not imported here, so as not to load torch for --help
        if type(error).__name__ not in ("CheckpointError", "VocabularyError", "LexiconError"):
            raise
        message = str(error)
    except ImportError as error:
        message = (
            f"{error.name or error} is not installed: install the training part with pip install 'w2v-studio[train]'"
        )
    _note_failure(arguments, message)
    print(f"w2v-engine: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
