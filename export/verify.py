"""PyTorch against ONNX Runtime at many lengths, before a bundle may be published.

The reference is the model itself as training uses it, not the modules that the exporter saw: what export rearranged is
under test too. Both graphs run one after the other, as in the app, so that their errors add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from engine.masking import draw_time_mask
from engine.model.ctc import CtcModel
from export.graph import CONTEXT, FEATURES, ExportError

TOLERANCE = 1e-4
"""Largest absolute difference of any output."""

TIE = 1e-5
"""Codes may differ only where the two best code logits are nearer than this: rounding decides there."""

LENGTHS = (400, 719, 720, 16000, 16001, 47999, 80000)
"""Samples: one frame, the last length of one frame, two frames; whole and odd seconds; a long window."""

BATCHES = (1, 3)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """An input of both sides: waveform (B, N) f32, frame_lengths (B,) and time_mask (B, T)."""

    waveform: NDArray[np.float32]
    frame_lengths: NDArray[np.int64]
    time_mask: NDArray[np.bool_]

    def __str__(self) -> str:
        return f"{self.waveform.shape[1]} samples, batch {len(self.waveform)}"


@dataclass
class Parity:
    """Largest absolute difference of each output so far, and where it was; `code_ids` counts codes that differ."""

    largest: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)

    def note(self, output: str, difference: float, case: Case) -> None:
        """Keep the larger one. NaN counts as infinite."""
        difference = difference if np.isfinite(difference) else float("inf")
        if difference > self.largest.get(output, -1.0):
            self.largest[output] = difference
            self.where[output] = str(case)


def cases(model: CtcModel, lengths: tuple[int, ...] = LENGTHS, batches: tuple[int, ...] = BATCHES) -> Iterator[Case]:
    """Noisy tones of several levels; rows of unequal lengths; masks by the rule of pre-training. Always the same."""
    rng = np.random.default_rng(0)
    config = model.backbone.config
    for samples in lengths:
        frames = config.frame_count(samples)
        if frames == 0:
            continue
        for rows in batches:
            seconds = np.arange(samples) / 16000
            tones = np.sin(2 * np.pi * rng.uniform(80, 2000, (rows, 1)) * seconds)
            waveform = tones * np.sin(2 * np.pi * 3 * seconds) + 0.3 * rng.standard_normal((rows, samples))
            levels = np.geomspace(0.3, 0.01, rows)[:, None]
            frame_lengths = np.maximum(1, np.linspace(frames, frames // 3, rows).astype(np.int64))
            mask = np.zeros((rows, frames), dtype=np.bool_)
            drawn = draw_time_mask(frame_lengths, 0.65, 10, rng, min_spans=1)
            mask[:, : drawn.shape[1]] = drawn
            yield Case((waveform * levels).astype(np.float32), frame_lengths, mask)


def run_torch(model: CtcModel, case: Case) -> Arrays:
    """All outputs of the model in PyTorch, and `code_scores`, the code logits before the softmax."""
    config = model.backbone.config
    samples = (case.frame_lengths - 1) * config.stride_samples + config.receptive_field_samples
    with torch.inference_mode():
        waveform, lengths = torch.from_numpy(case.waveform), torch.from_numpy(samples)
        output = model.backbone(waveform, lengths, torch.from_numpy(case.time_mask))
        scores = model.code_logits(waveform, lengths)
        found = {
            "latents": output.latents,
            "code_ids": scores.argmax(dim=-1),
            "code_probs": scores.softmax(dim=-1),
            "contexts": output.contexts,
            "logits": model.logits(output.contexts),
            "code_scores": scores,
        }
    return {name: value.numpy() for name, value in found.items()}


class GraphPair:
    """Both graphs on ONNX Runtime's CPU provider."""

    def __init__(self, features: Path, context: Path, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._features, self._context = (
                onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                for path in (features, context)
            )
        except Exception as error:  # a class of its own for each status, without a common base
            raise ExportError(f"ONNX Runtime cannot open the exported graph: {_first_line(error)}") from error

    def run(self, waveform: NDArray[np.float32], case: Case) -> Arrays:
        """All outputs for a waveform, normalised by the caller where the model asks for it."""
        try:
            found = self._features.run(list(FEATURES.outputs), {"waveform": waveform})
            outputs = dict(zip(FEATURES.outputs, found, strict=True))
            feed = {
                "latents": outputs["latents"],
                "time_mask": case.time_mask,
                "frame_lengths": case.frame_lengths,
            }
            found = self._context.run(list(CONTEXT.outputs), feed)
        except Exception as error:
            raise ExportError(f"ONNX Runtime fails on the exported graph at {case}: {_first_line(error)}") from error
        return outputs | dict(zip(CONTEXT.outputs, found, strict=True))


def compare(reference: CtcModel, features: Path, context: Path) -> Parity:
    """Differences of the graphs from `reference` over all cases."""
    graphs = GraphPair(features, context)
    parity = Parity()
    for case in cases(reference):
        expected = run_torch(reference, case)
        config = reference.backbone.config
        samples = (case.frame_lengths - 1) * config.stride_samples + config.receptive_field_samples
        waveform = reference.backbone.normalize(torch.from_numpy(case.waveform), torch.from_numpy(samples)).numpy()
        _note_all(parity, expected, graphs.run(waveform, case), case)
    return parity


def compare_models(first: CtcModel, second: CtcModel) -> float:
    """Largest difference of any real-valued output between two models in PyTorch, over all cases."""
    parity = Parity()
    for case in cases(first):
        _note_all(parity, run_torch(first, case), run_torch(second, case), case)
    return max(value for name, value in parity.largest.items() if name != "code_ids")


def check(parity: Parity) -> None:
    """Raise ExportError, naming output, length and difference, if anything is beyond the tolerance."""
    beyond = [
        f"{parity.largest[name]:.0f} codes differ at {parity.where[name]}"
        if name == "code_ids"
        else f"{name} by {parity.largest[name]:.2g} at {parity.where[name]}"
        for name in parity.largest
        if parity.largest[name] > (0 if name == "code_ids" else TOLERANCE)
    ]
    if beyond:
        raise ExportError(
            f"the ONNX graphs differ from PyTorch by more than {TOLERANCE:g}: {'; '.join(beyond)}. No bundle was "
            "written: check torch, onnx and onnxruntime against this project's versions"
        )


def _note_all(parity: Parity, expected: Arrays, found: Arrays, case: Case) -> None:
    valid = np.arange(case.time_mask.shape[1])[None, :] < case.frame_lengths[:, None]
    for name in (*FEATURES.outputs, *CONTEXT.outputs):
        wanted, given = expected[name], found[name]
        if wanted.shape != given.shape:
            raise ExportError(f"{name} has the shape {given.shape} at {case}, PyTorch gives {wanted.shape}")
        if name == "code_ids":
            best = np.sort(expected["code_scores"], axis=-1)
            clear = best[..., -1] - best[..., -2] > TIE if best.shape[-1] > 1 else np.ones(wanted.shape, dtype=bool)
            parity.note(name, float(np.count_nonzero((wanted != given) & clear)), case)
            continue
        difference = np.abs(wanted.astype(np.float64) - given.astype(np.float64))
        # Contexts and logits of padding are nobody's: they are to be ignored on both sides.
        parity.note(name, float(difference[valid].max() if name in CONTEXT.outputs else difference.max()), case)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
