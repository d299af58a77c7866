"""`w2v-engine export-hf`: a checkpoint of this engine becomes a folder that transformers loads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from engine.commands.usage import UsageError

DESCRIPTION = (
    "Write a checkpoint as a transformers folder: config.json, model.safetensors, preprocessor_config.json, and for a "
    "recogniser vocab.json with its tokenizer settings. Pre-trained ones load as Wav2Vec2ForPreTraining, fine-tuned "
    "ones as Wav2Vec2ForCTC with Wav2Vec2Processor."
)


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser("export-hf", help="write a transformers folder", description=DESCRIPTION)
    command.add_argument("checkpoint", type=Path, help="a .pt file, or the folder of a run")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to write")
    command.add_argument(
        "--old-names",
        action="store_true",
        help="name the weight norm weight_g and weight_v, for programs before torch 2.1 (transformers reads both)",
    )
    command.add_argument("--force", action="store_true", help="replace an export that is already there")
    command.set_defaults(run=export_folder)


def export_folder(arguments: argparse.Namespace) -> int:
    """Write the folder; the exit status. Raises UsageError, CheckpointError."""
    if not arguments.checkpoint.exists():
        raise UsageError(f"no checkpoint at {arguments.checkpoint}: give a .pt file, or the folder of a run")
    from engine.exchange.transformers_export import write_folder
    from engine.training.checkpoint import find_checkpoint, load_checkpoint

    checkpoint = load_checkpoint(find_checkpoint(arguments.checkpoint))
    try:
        write_folder(checkpoint, arguments.out, old_names=arguments.old_names, force=arguments.force)
    except OSError as error:
        raise UsageError(f"cannot write {arguments.out}: {error.strerror or error}") from error
    size = sum(item.stat().st_size for item in arguments.out.iterdir())
    loader = "Wav2Vec2ForPreTraining" if checkpoint.config.task == "pretrain" else "Wav2Vec2ForCTC"
    print(f"wrote {arguments.out}, {size / 1e6:.1f} MB; load it with transformers.{loader}.from_pretrained")
    return 0
