"""Weights that stand in an ONNX graph beside a checkpoint, so that a bundle holds them once.

A bundle's `trainable.pt` (export/trainable.py) leaves out each large weight that one of the bundle's graphs has with
the same bits, and says instead where it stands and how it is turned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class GraphWeightError(ValueError):
    """A weight that is not where the checkpoint says. The message says what to do."""


@dataclass(frozen=True)
class GraphWeight:
    """Where a weight of `shape` stands.

    `transposed`: the graph has it as (in, out), the checkpoint as (out, in). `heads`: the graph has further rows after
    those of each head (export/context_graph.py), which are left out; 0 for none.
    """

    graph: str
    tensor: str
    shape: tuple[int, ...]
    transposed: bool = False
    heads: int = 0

    def from_graph(self, stored: Tensor) -> Tensor:
        """The weight, out of the graph's tensor. Raises GraphWeightError where the sizes do not go together."""
        try:
            if self.transposed:
                stored = stored.mT
            if self.heads:
                rows = stored.unflatten(0, (self.heads, -1))  # type: ignore[no-untyped-call]
                stored = rows[:, : self.shape[0] // self.heads].flatten(0, 1)
            return stored.reshape(self.shape).contiguous()
        except (RuntimeError, ZeroDivisionError) as error:
            raise GraphWeightError(f"{self.tensor} of {self.graph} has not the sizes it should have") from error


def graph_tensors(path: Path) -> dict[str, Tensor]:
    """The graph's stored floating-point tensors by name. Raises GraphWeightError for what is no such file."""
    import onnx
    from onnx import numpy_helper

    try:
        # Tensors in further files are not followed: bundles have none.
        graph = onnx.load(path, load_external_data=False).graph
        return {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
            for tensor in graph.initializer
            if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
            and tensor.data_location != onnx.TensorProto.EXTERNAL
        }
    except OSError as error:
        raise GraphWeightError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # protobuf and onnx raise several kinds
        raise GraphWeightError(f"{path} is no readable ONNX graph") from error


def file_sum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_plain(weights: Mapping[str, GraphWeight], folder: Path) -> dict[str, Any]:
    """What a checkpoint file holds: the places, and the sums of the graphs in `folder`, to know them again."""
    graphs = sorted({weight.graph for weight in weights.values()})
    return {
        "sha256": {name: file_sum(folder / name) for name in graphs},
        "weights": {name: asdict(weight) for name, weight in weights.items()},
    }


def take(plain: Mapping[str, Any], folder: Path) -> dict[str, Tensor]:
    """The weights that `to_plain` described, from the graphs in `folder`.

    Raises GraphWeightError for graphs that are missing, or others than those that were described.
    """
    tensors = {}
    for name, expected in plain["sha256"].items():
        if Path(name).name != name:
            raise GraphWeightError(f"{name} is no file name")
        try:
            found = file_sum(folder / name)
        except OSError as error:
            raise GraphWeightError(
                f"its large weights stand in {name}, which is not beside it: keep the files of a bundle together"
            ) from error
        if found != expected:
            raise GraphWeightError(
                f"{name} beside it is not the graph that it was exported with: export the bundle again with --trainable"
            )
        tensors[name] = graph_tensors(folder / name)
    weights = {}
    for name, place in plain["weights"].items():
        weight = GraphWeight(**{**place, "shape": tuple(place["shape"])})
        try:
            weights[name] = weight.from_graph(tensors[weight.graph][weight.tensor])
        except KeyError as error:
            raise GraphWeightError(f"{weight.graph} has no tensor {weight.tensor}") from error
    return weights
