"""The two ONNX sessions of a bundle and where they run. ONNX Runtime is imported with the first Recognizer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from export.bundle import Bundle, BundleError
from w2v_studio.recognition.frames import FrameGrid
from w2v_studio.recognition.memory_limit import limit_memory, memory_limit
from w2v_studio.recognition.provider import ProviderError, cuda_obstacle, session_options, worker_threads

Waveform = NDArray[np.float32]
ProviderChoice = Literal["auto", "cpu", "cuda"]

MOST_REASON = 300
"""Characters of ONNX Runtime's own words; it may name every shape of a graph."""

WARM_UP_LIMIT_S = 120.0
"""Two seconds of sound take the largest models some seconds on the slowest machines."""


@dataclass(frozen=True, eq=False)
class Features:
    """Frames of a waveform: latents (T, C), code_ids (T, G), code_probs (T, G, V)."""

    latents: NDArray[np.float32]
    code_ids: NDArray[np.int64]
    code_probs: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ContextOutput:
    """Contexts (T, D) and logits (T, tokens) of a window, the letters' and after them any phones'."""

    contexts: NDArray[np.float32]
    logits: NDArray[np.float32]


class Recognizer:
    """A bundle ready to run. All methods may be called from any thread; they take turns.

    `provider` "auto" takes CUDA when it really loads, else the CPU; "cuda" raises ProviderError instead. `threads`
    is for arithmetic on the CPU; None takes the physical cores, at most 4. Raises BundleError for unusable graphs, here
    and wherever they are run: a graph can be sound in itself and still fail, or give what the card does not say.
    """

    def __init__(self, bundle: Bundle, provider: ProviderChoice = "auto", threads: int | None = None) -> None:
        self.bundle = bundle
        self.grid = FrameGrid(bundle.card.stride_samples, bundle.card.receptive_field_samples)
        self._lock = threading.Lock()
        self._run_options: Any = None
        self._features, self._context, self.provider_reason = _open_sessions(bundle, provider, threads)
        self.provider = "CUDA" if self._features.get_providers()[0] == "CUDAExecutionProvider" else "CPU"

    @property
    def caches_features(self) -> bool:
        """Whether a frame depends on its own 400 samples only, so that features of a stream can be kept."""
        return self.bundle.card.feature_norm == "layer" and not self.bundle.card.normalize_waveform

    def normalized(self, waveform: Waveform) -> Waveform:
        """Zero mean and unit variance where the model was trained so, else the waveform itself."""
        if not self.bundle.card.normalize_waveform or len(waveform) == 0:
            return waveform
        centred = waveform - waveform.mean()
        result: Waveform = (centred / np.sqrt(centred.var() + 1e-5)).astype(np.float32)
        return result

    def features(self, waveform: Waveform, *, is_normalized: bool = False) -> Features:
        """Features of `waveform` (samples,), float32 in -1 to 1 at 16 kHz. Fewer than 400 samples give no frames.

        `is_normalized` says that the caller applied `normalized` to the whole recording that this is a window of.
        """
        card = self.bundle.card
        if self.grid.count(len(waveform)) == 0:
            groups, entries = card.codebook_groups, card.codebook_entries
            return Features(
                np.zeros((0, card.channels), np.float32),
                np.zeros((0, groups), np.int64),
                np.zeros((0, groups, entries), np.float32),
            )
        prepared = waveform if is_normalized else self.normalized(waveform)
        feed = {"waveform": np.ascontiguousarray(prepared, dtype=np.float32)[None]}
        outputs = ["latents", "code_ids", "code_probs"]
        latents, code_ids, code_probs = self._run(self._features, self.bundle.features_path, outputs, feed)
        frames = self.grid.count(len(waveform))
        self._check_shapes(self.bundle.features_path, frames, latents=latents, code_ids=code_ids, code_probs=code_probs)
        return Features(latents[0], code_ids[0], code_probs[0])

    def context(self, latents: NDArray[np.float32], time_mask: NDArray[np.bool_] | None = None) -> ContextOutput:
        """Outputs for a window of latents (T, C), T >= 1; frames where `time_mask` (T,) is True are hidden."""
        frames = len(latents)
        mask = np.zeros(frames, dtype=bool) if time_mask is None else time_mask
        feed = {
            "latents": np.ascontiguousarray(latents, dtype=np.float32)[None],
            "time_mask": np.ascontiguousarray(mask)[None],
            "frame_lengths": np.array([frames], dtype=np.int64),
        }
        contexts, logits = self._run(self._context, self.bundle.context_path, ["contexts", "logits"], feed)
        self._check_shapes(self.bundle.context_path, frames, contexts=contexts, logits=logits)
        return ContextOutput(contexts[0], logits[0])

    def warm_up(self) -> None:
        """Run both graphs on two seconds of zeros, so that the first words do not wait for allocations.

        Raises BundleError where that does not work, or takes minutes.
        """
        import onnxruntime

        silence = np.zeros(self.grid.samples(100), dtype=np.float32)
        options = onnxruntime.RunOptions()
        alarm = threading.Timer(WARM_UP_LIMIT_S, setattr, (options, "terminate", True))
        alarm.daemon = True
        self._run_options = options
        alarm.start()
        try:
            self.context(self.features(silence, is_normalized=True).latents)
        finally:
            alarm.cancel()
            self._run_options = None

    def _run(self, session: Any, path: Path, outputs: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        options = self._run_options
        try:
            with self._lock:
                found: list[NDArray[Any]] = session.run(outputs, feed, options)
        except Exception as error:  # ONNX Runtime has a class of its own for each kind of failure
            if options is not None and options.terminate:
                reason = f"two seconds of sound take it more than {WARM_UP_LIMIT_S:.0f} s"
            else:
                reason = _reason(error)
            raise BundleError(f"{path} cannot be run ({reason}); {self._remedy}") from error
        return found

    def _check_shapes(self, path: Path, frames: int, **outputs: NDArray[Any]) -> None:
        """Raise BundleError for outputs of other sizes than the card, the vocabulary and the samples ask for."""
        card = self.bundle.card
        wanted: dict[str, tuple[int, ...]] = {
            "latents": (card.channels,),
            "code_ids": (card.codebook_groups,),
            "code_probs": (card.codebook_groups, card.codebook_entries),
            "contexts": outputs["contexts"].shape[2:3] if "contexts" in outputs else (),
            "logits": (self.bundle.tokens,),
        }
        for name, values in outputs.items():
            shape = (1, frames, *wanted[name])
            if values.shape != shape:
                raise BundleError(f"{path} gives {name} of shape {values.shape} instead of {shape}; {self._remedy}")

    @property
    def _remedy(self) -> str:
        return f"export {self.bundle.card.name!r} again, or remove the bundle"


def _open_sessions(bundle: Bundle, provider: ProviderChoice, threads: int | None) -> tuple[Any, Any, str]:
    """Both sessions and one sentence on why not CUDA ("" when it is)."""
    obstacle = "the CPU was chosen" if provider == "cpu" else cuda_obstacle()
    if not obstacle:
        sessions = [_session(bundle, path, True, 2) for path in (bundle.features_path, bundle.context_path)]
        if all(session.get_providers()[0] == "CUDAExecutionProvider" for session in sessions):
            return sessions[0], sessions[1], ""
        obstacle = "ONNX Runtime could not start CUDA (it needs CUDA 13, cuDNN 9 and a driver for them)"
    if provider == "cuda":
        raise ProviderError(f"CUDA cannot be used: {obstacle}; choose provider auto or cpu")
    count = worker_threads() if threads is None else threads
    features = _session(bundle, bundle.features_path, False, count)
    return features, _session(bundle, bundle.context_path, False, count), obstacle


def _session(bundle: Bundle, path: Path, on_cuda: bool, threads: int) -> Any:
    import onnxruntime

    providers: list[Any] = ["CPUExecutionProvider"]
    if on_cuda:
        # HEURISTIC: the default search costs hundreds of milliseconds for each new length.
        providers.insert(0, ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}))
    options = session_options(threads)
    limit_memory(options)
    try:
        # The runtime's own fallback is from CUDA. On the CPU it would print to standard output and try the same again.
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=int(on_cuda))
    except Exception as error:  # ONNX Runtime has a class of its own for each kind of broken file
        raise BundleError(
            f"{path} cannot be loaded ({_reason(error)}); export {bundle.card.name!r} again, or remove the bundle"
        ) from error


def _reason(error: Exception) -> str:
    """One line, short enough for a message."""
    told = str(error)
    if "Available memory of" in told:
        return f"it asks for more than the {memory_limit() / 1e9:.1f} GB of memory that a model may take here"
    if "Failed to allocate memory" in told or isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    line = told.strip().partition("\n")[0] or type(error).__name__
    return line if len(line) <= MOST_REASON else line[:MOST_REASON] + "…"
