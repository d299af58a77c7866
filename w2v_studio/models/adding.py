"""Adding a model: a bundle is copied; anything else is converted by the engine and the exporter in child processes.

The app's process never loads torch. Everything happens in a hidden folder beside the installed models, and only a
bundle that opens and runs is moved to its place: a failed or cancelled addition leaves nothing behind.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.bundle import Bundle, BundleError, open_bundle, write_card
from w2v_studio.bundles import installed_bundles, own_bundles_folder
from w2v_studio.models.checking import check_bundle
from w2v_studio.models.placing import copy_bundle, install
from w2v_studio.models.sources import ModelSource, find_source, folder_name

Say = Callable[[str], None]
DEFAULT_LANGUAGE = "en"
KEPT_LINES = 12
"""Last lines of a child's output that an error shows."""


class AddingCancelledError(Exception):
    """The addition was cancelled; nothing was installed."""


@dataclass(frozen=True)
class AddRequest:
    """What to add and how. `codebook` is the pre-trained parent whose codes the model takes; `weights` fp32 or fp16.

    `adapter` chooses a language of a model with several (MMS), by the model's own code; `language` is that of the card.
    Where only one of the two is given it stands for both.
    """

    source: str
    name: str = ""
    codebook: str = ""
    weights: str = "fp32"
    language: str = DEFAULT_LANGUAGE
    licence: str = ""
    force: bool = False
    adapter: str = ""

    @property
    def chosen_adapter(self) -> str:
        """What the conversion is told; "" leaves it to the model. Models of one language do not ask."""
        return self.adapter or ("" if self.language == DEFAULT_LANGUAGE else self.language)

    @property
    def card_language(self) -> str:
        """The language code of the card."""
        return self.adapter if self.adapter and self.language == DEFAULT_LANGUAGE else self.language


class ModelAdder:
    """Adds one model. `add` may run in a thread of its own; `cancel` works from any thread."""

    def __init__(
        self,
        engine: Sequence[str] = (sys.executable, "-m", "engine"),
        exporter: Sequence[str] = (sys.executable, "-m", "export"),
        working_folder: Path | None = None,
    ) -> None:
        """`working_folder` is where the two programs are started (in a checkout: its root)."""
        self._engine, self._exporter = tuple(engine), tuple(exporter)
        self._working_folder = working_folder
        self._child: subprocess.Popen[str] | None = None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Stop as soon as possible."""
        self._cancelled.set()
        child = self._child
        if child is not None:
            child.terminate()

    def add(self, request: AddRequest, say: Say) -> Bundle:
        """Install the model; `say` gets lines of progress. Raises BundleError, AddingCancelledError."""
        source = find_source(request.source)
        name = folder_name(request.name) if request.name else source.suggested_name
        target = own_bundles_folder() / name
        self._refuse_taken(name, target, request.force)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=target.parent) as work:
            made = Path(work) / name
            if source.kind == "bundle" and source.path is not None:
                self._copy(source.path, made, request.name or "", say)
            else:
                self._convert(source, replace(request, name=request.name or name), made, say)
            say("Checking it on a sample")
            check_bundle(open_bundle(made))
            self._raise_if_cancelled()
            install(made, target)
        return open_bundle(target)

    @staticmethod
    def _refuse_taken(name: str, target: Path, force: bool) -> None:
        shipped = [b for b in installed_bundles() if name in (b.card.name, b.folder.name) and b.folder != target]
        if shipped:
            raise BundleError(
                f"a model named {name!r} is installed at {shipped[0].folder}: choose another name (--name)"
            )
        if target.exists() and not force:
            raise BundleError(f"a model named {name!r} is already there: choose another name (--name) or use --force")

    def _copy(self, folder: Path, made: Path, name: str, say: Say) -> None:
        """Only the files of a bundle, after a look at them."""
        bundle = open_bundle(folder)
        say(f"Copying {bundle.card.name}")
        copy_bundle(bundle, made)
        if name:
            write_card(made, replace(bundle.card, name=name))

    def _convert(self, source: ModelSource, request: AddRequest, made: Path, say: Say) -> None:
        if importlib.util.find_spec("torch") is None and self._engine[:1] == (sys.executable,):
            raise BundleError(
                "converting a model needs PyTorch, which is not installed here: "
                "pip install 'w2v-studio[train,export]' (in a checkout: uv sync), or add a bundle made elsewhere"
            )
        checkpoint = made.with_suffix(".pt")
        given = str(source.path.absolute()) if source.path is not None else source.text
        order = [*self._engine, "import", given, "--out", str(checkpoint)]
        if request.codebook:
            parent = Path(request.codebook).expanduser()
            order += ["--codebook", str(parent.absolute()) if parent.exists() else request.codebook]
        order += ["--language", request.chosen_adapter] if request.chosen_adapter else []
        say(f"Reading {source.text}" if source.kind != "hub" else f"Downloading {source.text}")
        self._run(order, say)
        say("Writing the graphs and comparing them with the original")
        order = [*self._exporter, str(checkpoint), "--out", str(made), "--name", request.name]
        order += ["--weights", request.weights, "--language", request.card_language]
        order += ["--description", f"From {source.text}"]
        order += ["--licence", request.licence] if request.licence else []
        self._run(order, say)

    def _run(self, command: Sequence[str], say: Say) -> None:
        """Run a child and pass its lines on. Raises BundleError with its last words."""
        self._raise_if_cancelled()
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=self._working_folder,
            )
        except OSError as error:
            raise BundleError(f"{command[0]} cannot be started ({error.strerror}): install w2v studio again") from error
        self._child = child
        if self._cancelled.is_set():  # between the look before and now
            child.terminate()
        last: deque[str] = deque(maxlen=KEPT_LINES)
        assert child.stdout is not None
        with child:
            # Universal newlines: a progress bar's carriage returns are lines too.
            for line in child.stdout:
                if line.strip():
                    last.append(line.strip())
                    say(line.strip())
        self._child = None
        self._raise_if_cancelled()
        if child.returncode != 0:
            raise BundleError(_error_of(last) or f"{' '.join(command[:3])} failed with status {child.returncode}")

    def _raise_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise AddingCancelledError


def _error_of(lines: Sequence[str]) -> str:
    """The sentence with which our programs end when they fail, else their last line."""
    for line in reversed(lines):
        for program in ("w2v-engine: ", "w2v-export: "):
            if line.startswith(program):
                return line.removeprefix(program)
    return lines[-1] if lines else ""
