"""`w2v-engine import`: a published checkpoint, whichever program wrote it, becomes one of this engine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.commands.usage import UsageError

DESCRIPTION = (
    "Turn a wav2vec 2.0 checkpoint of transformers, fairseq or torchaudio into one of this engine: to fine-tune "
    "further, to evaluate, or to export as a bundle. Nothing in the files is run. Weights that are missing, unexpected "
    "or of another shape are an error that names them."
)


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser("import", help="take in a published checkpoint", description=DESCRIPTION)
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a transformers folder, a Hub repository (owner/name), a fairseq .pt, or a torchaudio state dict",
    )
    command.add_argument("--out", type=Path, required=True, metavar="CHECKPOINT", help="the .pt file to write")
    command.add_argument(
        "--codebook",
        metavar="PARENT",
        help="pre-trained checkpoint (of these kinds or of this engine) whose codebook a fine-tuned one takes over",
    )
    command.add_argument(
        "--vocabulary",
        type=Path,
        metavar="FILE",
        help="vocab.json or dict.ltr.txt, where the source has none beside it",
    )
    command.add_argument(
        "--language", metavar="CODE", help="which language of a checkpoint with several (MMS): eng, fra"
    )
    command.add_argument("--revision", help="branch, tag or commit of a Hub repository")
    command.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting that the source does not say or says wrongly, as model.heads=8; may be repeated",
    )
    command.add_argument("--force", action="store_true", help="replace a file that is already there")
    command.set_defaults(run=import_checkpoint)


def import_checkpoint(arguments: argparse.Namespace) -> int:
    """Write the checkpoint and say what it holds; the exit status. Raises UsageError, CheckpointError, ConfigError."""
    out: Path = arguments.out
    if out.is_dir():
        raise UsageError(f"{out} is a folder: --out must name the .pt file to write")
    if out.exists() and not arguments.force:
        raise UsageError(f"{out} already exists: choose another --out, or replace it with --force")
    if arguments.vocabulary is not None and not arguments.vocabulary.is_file():
        raise UsageError(f"no vocabulary at {arguments.vocabulary}")
    from engine.exchange.assemble import assemble
    from engine.exchange.reading_options import ReadingOptions
    from engine.exchange.source import read_source
    from engine.exchange.summary import summary_lines
    from engine.training.checkpoint import save_checkpoint

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    options = ReadingOptions(
        arguments.vocabulary, arguments.language, arguments.revision, tuple(arguments.settings), say
    )
    model = read_source(arguments.source, options)
    parent = None
    if arguments.codebook is not None:
        parent = read_source(arguments.codebook, ReadingOptions(say=say))
    checkpoint = assemble(model, parent)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(checkpoint, out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from error
    for note in model.notes:
        say(f"note: {note}")
    for line in summary_lines(checkpoint, out):
        print(line)
    return 0
