"""Inputs and outputs that a bundle's graphs must have, against what a card and a vocabulary say. No torch.

An axis given as a number must be that number where the graph fixes it; a named one must be free, so that any length
can be recognised. A batch of 1 may be fixed: the app gives one row at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from export.graph_check import GraphForm, ValueForm

FLOAT, INT64, BOOL = 1, 7, 9
KIND_NAMES = {FLOAT: "float32", INT64: "int64", BOOL: "bool"}


@dataclass(frozen=True)
class Sizes:
    """Sizes of a bundle by its card and vocabulary."""

    channels: int
    groups: int
    entries: int
    tokens: int


Wanted = dict[str, tuple[int, tuple[str | int | None, ...]]]


def features_contract(sizes: Sizes) -> tuple[Wanted, Wanted]:
    """Inputs and outputs of features.onnx: kind and axes; None is any."""
    return {"waveform": (FLOAT, ("batch", "samples"))}, {
        "latents": (FLOAT, ("batch", "frames", sizes.channels)),
        "code_ids": (INT64, ("batch", "frames", sizes.groups)),
        "code_probs": (FLOAT, ("batch", "frames", sizes.groups, sizes.entries)),
    }


def context_contract(sizes: Sizes) -> tuple[Wanted, Wanted]:
    """Inputs and outputs of context.onnx."""
    inputs: Wanted = {
        "latents": (FLOAT, ("batch", "frames", sizes.channels)),
        "time_mask": (BOOL, ("batch", "frames")),
        "frame_lengths": (INT64, ("batch",)),
    }
    return inputs, {
        "contexts": (FLOAT, ("batch", "frames", None)),
        "logits": (FLOAT, ("batch", "frames", sizes.tokens)),
    }


def check_contract(form: GraphForm, contract: tuple[Wanted, Wanted]) -> None:
    """Raises ValueError with the first difference."""
    for role, given, wanted in zip(("input", "output"), (form.inputs, form.outputs), contract, strict=True):
        for name in wanted:
            if name not in given:
                raise ValueError(f"it has no {role} {name!r}, only {', '.join(map(repr, list(given)[:6])) or 'none'}")
        extra = [name for name in given if name not in wanted]
        if role == "input" and extra:
            raise ValueError(f"it wants an input {extra[0][:60]!r} that no bundle has")
        for name, (kind, axes) in wanted.items():
            _check_value(role, name, given[name], kind, axes)


def _check_value(role: str, name: str, given: ValueForm, kind: int, axes: tuple[str | int | None, ...]) -> None:
    label = f"its {role} {name!r}"
    if given.kind != kind:
        raise ValueError(f"{label} holds numbers of the kind {given.kind}, not {KIND_NAMES[kind]} ({kind})")
    if given.axes is None:
        raise ValueError(f"{label} does not say its axes")
    if len(given.axes) != len(axes):
        raise ValueError(f"{label} has {len(given.axes)} axes, not {len(axes)}")
    for place, (found, wanted) in enumerate(zip(given.axes, axes, strict=True)):
        if not isinstance(found, int) or wanted is None or (wanted == "batch" and found == 1):
            continue
        if isinstance(wanted, str):
            raise ValueError(f"{label} takes {found} {wanted} and no other number")
        if found != wanted and name == "logits":
            raise ValueError(
                f"it gives {found} values a frame for {wanted} tokens: the vocabulary belongs to another model"
            )
        if found != wanted:
            raise ValueError(f"{label} has {found} elements along axis {place}, the card and vocabulary say {wanted}")
