"""How likely speech is, block by block (Silero VAD as plain ONNX, 16 kHz, always on the CPU)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from w2v_studio.assets import voice_activity_path
from w2v_studio.recognition.provider import session_options

BLOCK_SAMPLES = 512
"""New samples in a block, 32 ms; the network knows no other size."""
GAIN = 8.0
"""How much quiet sound is raised: from a level (quiet_speech.py) of 0.003 down, the network misses speech."""
PEAK = 0.06
"""Less where the loudest sample so far would exceed this, not at all where it does by itself: what is loud enough must
be judged as it was, as raising it moves the ends of words."""
FADE = 0.5 ** (1 / 1875)
"""By how much the loudest sample of the past counts less with each block, half after a minute: a gain that followed the
sound more closely would flatten the beginnings of words, which are then missed."""
CONTEXT_SAMPLES = 64
"""Samples of the block before that go in front."""


class VoiceActivity:
    """A stream of blocks in, a probability each out. The state runs on from block to block until reset()."""

    def __init__(self, path: Path | None = None) -> None:
        import onnxruntime

        graph = voice_activity_path() if path is None else path
        if not graph.is_file():
            raise FileNotFoundError(f"the voice activity model {graph} is missing: install w2v studio again")
        self._session = onnxruntime.InferenceSession(
            str(graph), session_options(threads=1), providers=["CPUExecutionProvider"]
        )
        names = {entry.name for entry in self._session.get_inputs()}
        self._rate = {"sr": np.array(16000, dtype=np.int64)} if "sr" in names else {}
        self.reset()

    def reset(self) -> None:
        """Forget the stream: at its start, and after a gap in the sound."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._window = np.zeros((1, CONTEXT_SAMPLES + BLOCK_SAMPLES), dtype=np.float32)
        self._loudest = 0.0

    def probability(self, block: NDArray[np.float32]) -> float:
        """Probability, 0 to 1, that the next 512 samples hold speech. Raises ValueError for another size."""
        if len(block) != BLOCK_SAMPLES:
            raise ValueError(f"a voice activity block has {BLOCK_SAMPLES} samples, not {len(block)}")
        self._window[0, :CONTEXT_SAMPLES] = self._window[0, -CONTEXT_SAMPLES:]
        self._loudest = max(float(np.abs(block).max()), self._loudest * FADE)
        gain = max(1.0, min(GAIN, PEAK / self._loudest)) if self._loudest else 1.0
        self._window[0, CONTEXT_SAMPLES:] = block * np.float32(gain)
        output, self._state = self._session.run(None, {"input": self._window, "state": self._state, **self._rate})
        return float(output[0, 0])
