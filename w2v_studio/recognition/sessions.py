"""The two ONNX sessions of a bundle and where they run. ONNX Runtime is imported with the first Recognizer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from export.bundle import Bundle, BundleError
from w2v_studio.recognition.frames import FrameGrid
from w2v_studio.recognition.provider import ProviderError, cuda_obstacle, session_options, worker_threads

Waveform = NDArray[np.float32]
ProviderChoice = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, eq=False)
class Features:
    """Frames of a waveform: latents (T, C), code_ids (T, G), code_probs (T, G, V)."""

    latents: NDArray[np.float32]
    code_ids: NDArray[np.int64]
    code_probs: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ContextOutput:
    """Contexts (T, D) and logits (T, tokens) of a window."""

    contexts: NDArray[np.float32]
    logits: NDArray[np.float32]


class Recognizer:
    """A bundle ready to run. All methods may be called from any thread; they take turns.

    `provider` "auto" takes CUDA when it really loads, else the CPU; "cuda" raises ProviderError instead. `threads`
    is for arithmetic on the CPU; None takes the physical cores, at most 4. Raises BundleError for unusable graphs.
    """

    def __init__(self, bundle: Bundle, provider: ProviderChoice = "auto", threads: int | None = None) -> None:
        self.bundle = bundle
        self.grid = FrameGrid(bundle.card.stride_samples, bundle.card.receptive_field_samples)
        self._lock = threading.Lock()
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
        with self._lock:
            latents, code_ids, code_probs = self._features.run(["latents", "code_ids", "code_probs"], feed)
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
        with self._lock:
            contexts, logits = self._context.run(["contexts", "logits"], feed)
        return ContextOutput(contexts[0], logits[0])

    def warm_up(self) -> None:
        """Run both graphs on two seconds of zeros, so that the first words do not wait for allocations."""
        silence = np.zeros(self.grid.samples(100), dtype=np.float32)
        self.context(self.features(silence, is_normalized=True).latents)


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


def _session(bundle: Bundle, path: Any, on_cuda: bool, threads: int) -> Any:
    import onnxruntime

    providers: list[Any] = ["CPUExecutionProvider"]
    if on_cuda:
        # HEURISTIC: the default search costs hundreds of milliseconds for each new length.
        providers.insert(0, ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}))
    try:
        return onnxruntime.InferenceSession(str(path), session_options(threads), providers=providers)
    except Exception as error:  # ONNX Runtime has a class of its own for each kind of broken file
        summary = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BundleError(f"{path} cannot be loaded ({summary}); export {bundle.card.name!r} again") from error
