"""`w2v-engine check`: audit data before training, by listening to all of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from engine import config as configuration
from engine.commands.progress_bar import ProgressBar
from engine.commands.usage import UsageError
from engine.config import RunConfig
from engine.data.audit.audit import audit
from engine.data.audit.entries import TEST, TRAIN, VALID
from engine.data.audit.table import report_text
from engine.data.sources import read_source
from engine.data.transcripts import vocabulary_of
from engine.presets import load_preset, preset_names
from engine.text.vocabulary import Vocabulary

PRESETS = {True: "tiny-finetune", False: "tiny-pretrain"}
"""By whether there are transcripts: whose limits hold where no preset is named."""


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    words = "audit data before training: everything that would stop it, spoil it, or flatter its score"
    command = commands.add_parser(
        "check",
        help=words,
        description=words,
        epilog="Exit status: 0 nothing stops training, 1 something should be put right first, 2 no such data.",
    )
    data = {"nargs": "+", "action": "extend", "type": Path, "default": [], "metavar": "DATA"}
    command.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="what to train on: manifests, tables, folders"
    )
    command.add_argument("--valid", **data, help="data for evaluation")
    command.add_argument("--test", **data, help="data for the final score")
    command.add_argument("--root", type=Path, help="folder of the manifests' paths; without it, their own")
    command.add_argument(
        "--preset",
        help=f"whose limits hold: a name ({', '.join(preset_names())}) or a file; without it tiny-finetune where there "
        "are transcripts, else tiny-pretrain",
    )
    command.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--vocabulary", type=Path, metavar="FILE", help="vocab.json; without it the preset's, or A-Z")
    command.add_argument(
        "--make-vocabulary", type=Path, metavar="FILE", help="first write the vocab.json of what is written in DATA"
    )
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--examples", type=int, default=3, metavar="N", help="cases shown of each finding (default 3)")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="threads that read; 0: one a processor")
    command.set_defaults(run=check)


def _settings(arguments: argparse.Namespace) -> RunConfig:
    name = arguments.preset
    if name is None:
        named = arguments.vocabulary or arguments.make_vocabulary
        transcribed = named is not None or any(
            clip.transcript
            for path in arguments.data
            for clip in read_source(path, arguments.root, open_limit=0).all_clips()
        )
        name = PRESETS[transcribed]
    run = configuration.with_settings(load_preset(name), arguments.settings)
    root = str(arguments.root.absolute()) if arguments.root else run.data.root
    return dataclasses.replace(run, data=dataclasses.replace(run.data, root=root))


def _vocabulary(arguments: argparse.Namespace, run: RunConfig) -> Vocabulary | None:
    if run.task == "pretrain":
        return None
    if arguments.make_vocabulary is not None:
        return _make_vocabulary(arguments, run)
    given = arguments.vocabulary or run.ctc.vocabulary
    return Vocabulary.load(Path(given)) if given else Vocabulary.english()


def _make_vocabulary(arguments: argparse.Namespace, run: RunConfig) -> Vocabulary:
    file: Path = arguments.make_vocabulary
    if file.exists():
        raise UsageError(f"{file} exists: give --vocabulary {file} to use it, or another name to make one")
    root = Path(run.data.root) if run.data.root else None
    sources = (read_source(path, root, open_limit=0) for path in arguments.data)
    made = vocabulary_of(clip.transcript for source in sources for clip in source.all_clips())
    try:
        made.save(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror or error}") from error
    return made


def check(arguments: argparse.Namespace) -> int:
    """Print the report; the exit status. Raises ConfigError, DataError, UsageError, VocabularyError."""
    run = _settings(arguments)
    data = {TRAIN: arguments.data, VALID: arguments.valid, TEST: arguments.test}
    with ProgressBar() as progress:
        found = audit(
            data,
            run,
            _vocabulary(arguments, run),
            report=progress,
            workers=arguments.workers,
            shown=max(0, arguments.examples),
        )
    print(json.dumps(found.to_mapping(), ensure_ascii=False, indent=1) if arguments.json else report_text(found))
    return 1 if found.stops else 0
