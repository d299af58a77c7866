"""`w2v-engine evaluate`: measure a checkpoint."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine import events
from engine.commands.progress_bar import ProgressBar
from engine.commands.usage import UsageError, absolute
from engine.data.sources import read_source


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser("evaluate", help="measure a checkpoint on data with known text")
    command.add_argument("checkpoint", type=Path, help="a .pt file, or the folder of a run")
    command.add_argument("--data", nargs="+", action="extend", type=Path, required=True, metavar="DATA")
    command.add_argument("--root", type=Path, help="folder of the manifests' paths; without it, their own")
    command.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--events", action="store_true", help="print the result as an event line (JSON)")
    command.set_defaults(run=evaluate)


def evaluate(arguments: argparse.Namespace) -> int:
    """Print error rates and samples; the exit status. Raises UsageError, DataError."""
    if not arguments.checkpoint.exists():
        raise UsageError(f"no checkpoint at {arguments.checkpoint}: give a .pt file, or the folder of a run")
    with ProgressBar() as progress:
        for source in arguments.data:
            read_source(source, arguments.root, progress)
    from engine.training.progress import evaluation_line
    from engine.training.session import evaluate_checkpoint

    evaluation, warning = evaluate_checkpoint(
        arguments.checkpoint, absolute(arguments.data), arguments.root, arguments.settings
    )
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.events:
        print(events.to_line(evaluation))
        return 0
    print(evaluation_line(evaluation))
    for reference, hypothesis in evaluation.samples:
        print(f"    said  {reference}\n    heard {hypothesis}")
    return 0
