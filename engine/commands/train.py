"""`w2v-engine pretrain`, `finetune` and `resume`: a run from its start, or from where it stopped."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import config as configuration
from engine import events
from engine.commands.progress_bar import ProgressBar
from engine.commands.usage import UsageError, absolute
from engine.config import RunConfig
from engine.data.sources import read_source
from engine.presets import load_preset, preset_names

if TYPE_CHECKING:
    from engine.training.run_folder import RunFolder
    from engine.training.world import World

LAUNCH_FILE = "torchrun.txt"
"""In the run's folder, where torchrun started it: the job's name, by which a restart is told from a mistake."""
DEFAULT_PRESETS = {"pretrain": "tiny-pretrain", "finetune": "tiny-finetune"}
TASKS = (
    ("pretrain", "learn from speech without transcripts"),
    ("finetune", "learn to write from speech with transcripts"),
)


def add_commands(commands: Any) -> None:
    """Add the three commands to the subparsers."""
    for task, words in TASKS:
        command = commands.add_parser(task, help=words, description=words)
        command.add_argument(
            "--preset",
            default=None,
            help=f"a name ({', '.join(preset_names())}) or a file; without it {DEFAULT_PRESETS[task]}",
        )
        data = {"nargs": "+", "action": "extend", "type": Path, "metavar": "DATA"}
        command.add_argument(
            "--data", **data, help="data to train on: manifests, tables, folders (docs/data-formats.md)"
        )
        command.add_argument("--valid", **data, help="data for evaluation, likewise")
        command.add_argument("--root", type=Path, help="folder of the manifests' paths; without it, their own")
        command.add_argument("--from", dest="start", type=Path, help="checkpoint or run to take the weights from")
        command.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
        command.add_argument("--resume", action="store_true", help="go on with the run in --out")
        _add_run_options(command)
    command = commands.add_parser("resume", help="go on with a run that stopped")
    command.add_argument("out", type=Path, metavar="RUN", help="folder of the run")
    _add_run_options(command)


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, for example loop.updates=500 (see `w2v-engine settings`); may be repeated",
    )
    command.add_argument("--events", action="store_true", help="print event lines (JSON) instead of a progress bar")
    command.set_defaults(run=train)


def new_run(arguments: argparse.Namespace) -> RunConfig:
    """The config of a new run, checked as far as it goes without torch. Raises ConfigError, DataError, UsageError."""
    task = arguments.command
    name = arguments.preset or DEFAULT_PRESETS[task]
    run = load_preset(name)
    if run.task != task:
        fitting = [other for other in preset_names() if load_preset(other).task == task]
        raise UsageError(f"the preset {name!r} is for {run.task}, not for {task}: choose from {', '.join(fitting)}")
    run = configuration.with_settings(run, arguments.settings)
    root, responses = arguments.root or run.data.root, run.data.impulse_responses
    data = dataclasses.replace(
        run.data,
        train=tuple(absolute(arguments.data or run.data.train)),
        valid=tuple(absolute(arguments.valid or run.data.valid)),
        root=str(Path(root).absolute()) if root else None,
        noise=tuple(absolute(run.data.noise)),
        impulse_responses=str(Path(responses).absolute()) if responses else None,
    )
    start = arguments.start or run.ctc.checkpoint
    if start and not Path(start).exists():
        raise UsageError(f"no checkpoint at {start}: give a .pt file, or the folder of a run that has saved one")
    ctc = dataclasses.replace(
        run.ctc,
        checkpoint=str(Path(start).absolute()) if start else None,
        lexicon=str(Path(run.ctc.lexicon).absolute()) if run.ctc.lexicon else None,
    )
    run = dataclasses.replace(run, data=data, ctc=ctc)
    if not run.data.train:
        raise UsageError("there is nothing to train on: give manifests with --data")
    with ProgressBar() as progress:
        for source in (*run.data.train, *run.data.valid):
            read_source(Path(source), Path(run.data.root) if run.data.root else None, progress)
    return run


def resumed_run(folder: Path, settings: Sequence[str]) -> RunConfig:
    """The config of a run that goes on, with changes. Raises ConfigError, UsageError."""
    if not (folder / events.CONFIG_FILE).is_file():
        raise UsageError(f"there is no run at {folder} to resume: it has no {events.CONFIG_FILE}")
    old = configuration.load(folder / events.CONFIG_FILE)
    run = configuration.with_settings(old, settings)
    if run.model != old.model or run.task != old.task:
        raise UsageError("a run that goes on keeps its task and its model: leave out --set task and model.*")
    return run


def launch_of(environment: Mapping[str, str]) -> str:
    """The name of the torchrun job (--rdzv-id) that started this process; "" without one."""
    name = environment.get("TORCHELASTIC_RUN_ID", "")
    return "" if name == "none" else name


def was_restarted(folder: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the same torchrun job has begun the run in `folder` before, and has lost or gained a process since."""
    if environment.get("TORCHELASTIC_RESTART_COUNT", "0") not in ("", "0"):
        return True
    mark = folder / LAUNCH_FILE
    launch = launch_of(environment)
    return launch != "" and mark.is_file() and mark.read_text(encoding="utf-8") == launch


def _begins_anew(arguments: argparse.Namespace, folder: Path) -> bool:
    """Whether to start from the beginning. What torchrun starts again goes on where its last checkpoint stands."""
    if arguments.command == "resume" or arguments.resume:
        return False
    return not (was_restarted(folder) and any((folder / events.CHECKPOINT_FOLDER).glob("step-*.pt")))


def train(arguments: argparse.Namespace) -> int:
    """Train as told, under torchrun as one of its processes; the exit status.

    Raises UsageError, ConfigError, DataError.
    """
    began = time.time()
    folder: Path = arguments.out.absolute()
    resume = not _begins_anew(arguments, folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: --out must name a folder")
    run = resumed_run(folder, arguments.settings) if resume else new_run(arguments)
    # Waiting threads sleep instead of spinning: beside other work, training on a CPU is several times faster so.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Only from here on: torch takes seconds to load.
    from engine.training.progress import ProgressDisplay
    from engine.training.session import run_training
    from engine.training.stopping import StopSignals
    from engine.training.world import joined

    with StopSignals() as signals, joined(run.loop.device) as world:
        display = ProgressDisplay()
        run, resume = world.from_first(lambda: (run, resume))
        with _record(arguments, folder, resume, began, world) as record:
            if world.is_first and not arguments.events:
                record.listeners.append(display)
            try:
                ended = run_training(
                    run, record, resume=resume, signals=signals, on_update=display.advanced, world=world
                )
            finally:
                display.close()
    return _report(arguments, ended, world)


def _record(arguments: argparse.Namespace, folder: Path, resume: bool, began: float, world: World) -> RunFolder:
    """The run's folder: the first process writes it, the others read. Raises UsageError in all of them."""
    from engine.training.follower import Follower
    from engine.training.run_folder import RunFolder, busy_process, holds_run
    from engine.training.tensorboard import TensorBoardFiles

    opened: list[RunFolder] = []

    def open_folder() -> None:
        restarted = was_restarted(folder)  # then what is in the folder is ours
        if not resume and not restarted and holds_run(folder):
            raise UsageError(f"{folder} already holds a run: add --resume to go on with it, or choose another --out")
        busy = None if restarted else busy_process(folder)
        if busy is not None:
            raise UsageError(f"process {busy} is working on {folder} right now: stop it first, or choose another --out")
        try:
            opened.append(RunFolder(folder, sys.stdout if arguments.events else None, (), began))
        except OSError as error:
            raise UsageError(f"cannot write into {folder}: {error.strerror or error}") from error
        if launch_of(os.environ):
            (folder / LAUNCH_FILE).write_text(launch_of(os.environ), encoding="utf-8")
        opened[0].listeners.append(TensorBoardFiles(folder))

    world.from_first(open_folder)
    return opened[0] if opened else Follower(folder, world.rank)


def _report(arguments: argparse.Namespace, ended: events.Finished | events.Failed, world: World) -> int:
    if isinstance(ended, events.Failed):
        who = "" if world.size == 1 else f"process {world.rank}: "
        print(f"w2v-engine: {who}{ended.message}", file=sys.stderr)
        return 1
    if world.is_first:
        hint = f"; go on with: w2v-engine resume {arguments.out}" if ended.reason == "stopped" else ""
        print(f"{arguments.out}: {ended.reason} at update {ended.step}{hint}", file=sys.stderr)
    return 0
