"""Whether an installed model works: its files are those that were exported, it runs, and providers agree."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.bundle import Bundle, BundleError, weights_hash
from w2v_studio.assets import samples_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.recognition.provider import cuda_obstacle
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse

SPEECH_S = 8.0
LARGEST_DIFFERENCE = 2e-2
"""Between logits of two providers: they sum in other orders, CUDA also with fewer bits in convolutions."""


@dataclass(frozen=True)
class BundleCheck:
    """What a check found. `seconds_per_second`: computing time for a second of speech; `text` of the sample."""

    provider: str
    seconds_per_second: float
    text: str
    provider_difference: float | None
    provider_reason: str


def sample_speech() -> NDArray[np.float32]:
    """Up to eight seconds from the shipped samples, 16 kHz."""
    clips = sorted(path for path in samples_folder().iterdir() if path.suffix in (".flac", ".opus", ".ogg", ".wav"))
    joined = np.concatenate([read_audio(clip) for clip in clips]) if clips else np.zeros(0, np.float32)
    result: NDArray[np.float32] = joined[: round(16000 * SPEECH_S)].astype(np.float32)
    return result


def check_bundle(bundle: Bundle) -> BundleCheck:
    """Run the model on a sample, on the GPU too where there is one. Raises BundleError for one that does not work."""
    if bundle.card.weights_sha256 and weights_hash(bundle.folder) != bundle.card.weights_sha256:
        raise BundleError(
            f"the graphs in {bundle.folder} are not those that were exported (their SHA-256 differs from the card's): "
            "copy or export the model again"
        )
    speech = sample_speech()
    recognizer = Recognizer(bundle, "cpu")
    recognizer.warm_up()
    began = time.perf_counter()
    analysis = analyse(recognizer, speech)
    taken = time.perf_counter() - began
    for name, values in (("latents", analysis.latents), ("logits", analysis.all_logits)):
        if not np.isfinite(values).all():
            raise BundleError(f"{bundle.folder} gives numbers that are not finite ({name}): export the model again")
    reason = cuda_obstacle()
    difference = None
    if not reason:
        on_gpu = Recognizer(bundle, "auto")
        reason = on_gpu.provider_reason
        if on_gpu.provider == "CUDA":
            difference = float(np.abs(analyse(on_gpu, speech).all_logits - analysis.all_logits).max())
            if difference > LARGEST_DIFFERENCE:
                raise BundleError(
                    f"the GPU gives other results than the CPU for {bundle.card.name!r} (largest difference of logits "
                    f"{difference:.3g}, allowed {LARGEST_DIFFERENCE:g}): choose provider cpu and update the GPU driver"
                )
    provider = "CPU" if difference is None else "CPU and CUDA"
    return BundleCheck(provider, taken / (len(speech) / 16000), analysis.text, difference, reason)
