"""Opening other programs' weight files without running anything in them: safetensors, and pickles weights-only.

A pickle names functions that a plain reader would call. torch's weights-only reader refuses all but a few harmless
ones; the settings that fairseq keeps beside its weights (a Namespace, an omegaconf tree, enums, a Dictionary) are read
into `StandIn`, an inert class that only keeps what it is given. Every other name is refused.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from engine.training.checkpoint import CheckpointError

INERT_MODULES = ("argparse", "omegaconf", "fairseq", "fairseq_cli", "typing", "enum", "numpy", "pathlib")
"""Top-level modules whose classes in a file become stand-ins; nothing of the modules themselves is ever called."""
INERT_BUILTINS = frozenset({"str", "int", "float", "bool", "dict", "list", "tuple", "set", "object"})
LEGACY_PICKLES = 4
"""torch.save before 1.6: magic number, protocol, system, then the content."""


class StandIn:
    """What a file says about an object of a class that is not loaded: constructor arguments and state, as data."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        """Keep the state; `__dict__` if it is one."""
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, Mapping):
                self.__dict__.update({str(name): value for name, value in part.items()})


def plain(value: object) -> Any:
    """Settings as dictionaries, lists and scalars, whichever of fairseq's forms they had.

    A Namespace gives its attributes, an omegaconf node its content or value, an enum its value.
    """
    if isinstance(value, StandIn):
        state = {name: item for name, item in vars(value).items() if name != "arguments"}
        if "_content" in state:
            return plain(state["_content"])
        if "_val" in state:
            return plain(state["_val"])
        if not state and len(getattr(value, "arguments", ())) == 1:
            return plain(value.arguments[0])
        return {name: plain(item) for name, item in state.items() if not name.startswith("_")}
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, type):
        return None  # a type annotation that omegaconf keeps
    return value


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file. Raises CheckpointError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors ({error}): copy or download it again") from error
    return tensors


def load_pickle(path: Path) -> Any:
    """Content of a file that torch.save wrote, weights-only. Raises CheckpointError, naming what it refuses to run."""
    try:
        names = sorted(set(global_names(path)))
        stand_ins = [(StandIn, name) for name in names if is_inert(name)]
        with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no file {path}") from error
    except pickle.UnpicklingError as error:
        refused = _refused(path)
        if refused:
            raise CheckpointError(
                f"{path} asks to run {', '.join(refused)}, which no file of weights needs: it is unsafe or holds "
                "whole Python objects, and was not opened further. Save only the state dict, or get it as safetensors"
            ) from error
        raise CheckpointError(f"{path} holds more than weights and settings: {str(error).splitlines()[0]}") from error
    except Exception as error:  # torn and foreign files raise many kinds
        raise CheckpointError(
            f"{path} is not a readable PyTorch file ({type(error).__name__}: {str(error).splitlines()[0][:200]}): "
            "it is torn or of another kind; copy or download it again"
        ) from error


def is_inert(name: str) -> bool:
    """Whether a global of a pickle becomes a stand-in."""
    module, _, rest = name.partition(".")
    return module in INERT_MODULES or (module in ("builtins", "__builtin__") and rest in INERT_BUILTINS)


def _refused(path: Path) -> list[str]:
    """Globals of the file that neither torch nor this module takes for harmless."""
    from torch._weights_only_unpickler import _get_allowed_globals  # private: only to word the message better

    try:
        allowed = _get_allowed_globals()
        return sorted({name for name in global_names(path) if name not in allowed and not is_inert(name)})
    except Exception:
        return []


def global_names(path: Path) -> Iterator[str]:
    """`module.name` of each global that the pickles in the file refer to. Nothing is loaded."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.namelist():
                if item.endswith("/data.pkl"):
                    yield from _globals_of_stream(io.BytesIO(archive.read(item)))
        return
    with path.open("rb") as file:
        for _ in range(LEGACY_PICKLES):
            yield from _globals_of_stream(file)


def _globals_of_stream(file: BinaryIO | io.BytesIO) -> Iterator[str]:
    recent: list[str] = []
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif operation.name == "STACK_GLOBAL" and len(recent) >= 2:
            yield f"{recent[-2]}.{recent[-1]}"
        elif isinstance(argument, str):
            recent = [*recent[-1:], argument]


def load_shards(folder: Path, index: Path) -> dict[str, Tensor]:
    """Weights spread over several files, as the index lists them. Raises CheckpointError naming missing shards."""
    try:
        table: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted({folder / Path(name).name for name in table.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is no index of weight files ({error}): download it again") from error
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        raise CheckpointError(f"{folder} lacks {', '.join(absent)}, which {index.name} lists: download them too")
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= load_safetensors(file) if file.suffix == ".safetensors" else tensors_of(load_pickle(file), file)
    lost = sorted(name for name in table if name not in weights)
    if lost:
        raise CheckpointError(f"{index} lists weights that its files do not hold: {', '.join(lost)}")
    return weights


def tensors_of(content: object, path: Path) -> dict[str, Tensor]:
    """A state dict, checked to be one."""
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no state dict (a table of named tensors), but {type(content).__name__}")
    other = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if other:
        raise CheckpointError(f"{path} holds more than named tensors: {', '.join(other[:5])}; save the state dict only")
    return {str(name): value for name, value in content.items()}
