"""Live recognition as transformers does it: 1 s chunks from a microphone through its speech recognition pipeline.

`ffmpeg_microphone_live(chunk_length_s=1.0)` takes 1 s at a time from ffmpeg and cuts it into chunks with strides of a
sixth on both sides. Here the sound comes from memory and the clock is that of live_replay.py; the cutting, the pipeline
and its decoding are theirs. The logits come from the bundle through ONNX Runtime, as on our side.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC
from transformers.modeling_outputs import CausalLMOutput
from transformers.pipelines import AutomaticSpeechRecognitionPipeline
from transformers.pipelines.audio_utils import chunk_bytes_iter

RATE = 16000
CHUNK_S = 1.0


@dataclass(frozen=True)
class ChunkText:
    """[first_s, last_s) is the sound whose text it is, without the strides."""

    first_s: float
    last_s: float
    shown_s: float
    text: str


class BundleCtc(Wav2Vec2ForCTC):
    """Where the pipeline expects a network of its own: gives a bundle's logits."""

    recognizer: Any

    def forward(self, input_values: torch.Tensor, **_: Any) -> CausalLMOutput:
        latents = self.recognizer.features(input_values[0].numpy()).latents
        logits = self.recognizer.context(latents).logits
        return CausalLMOutput(logits=torch.from_numpy(self.recognizer.bundle.letters(logits))[None])


def speech_pipeline(recognizer: Any) -> AutomaticSpeechRecognitionPipeline:
    """The pipeline around a bundle."""
    vocabulary = recognizer.bundle.vocabulary
    tiny = Wav2Vec2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16)
    model = BundleCtc(tiny).eval()
    model.recognizer = recognizer
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "vocab.json"
        table.write_text(json.dumps({token: place for place, token in enumerate(vocabulary.tokens)}))
        tokenizer = Wav2Vec2CTCTokenizer(str(table), word_delimiter_token=vocabulary.separator)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=False)
    return AutomaticSpeechRecognitionPipeline(model, feature_extractor=extractor, tokenizer=tokenizer, device=-1)


def live_texts(recognizer: Any, waveform: np.ndarray) -> list[ChunkText]:
    """What is shown for every chunk. `recognizer` is a TimedRecognizer; its clock counts."""
    torch.set_num_threads(1)
    pipeline = speech_pipeline(recognizer)
    chunk, stride = round(RATE * CHUNK_S), round(RATE * CHUNK_S / 6)
    taken = 0

    def microphone() -> Iterator[bytes]:
        nonlocal taken
        for start in range(0, len(waveform), chunk):
            taken = min(start + chunk, len(waveform))
            yield waveform[start:taken].tobytes()

    found: list[ChunkText] = []
    now, begin = 0.0, 0
    with torch.inference_mode():
        pipeline({"raw": waveform[:chunk], "sampling_rate": RATE, "stride": (0, 0)})  # warm
        for item in chunk_bytes_iter(microphone(), 4 * chunk, (4 * stride, 4 * stride), stream=True):
            raw = np.frombuffer(item["raw"], np.float32)
            left, right = (side // 4 for side in item["stride"])
            began = recognizer.clock()
            text = pipeline({"raw": raw, "sampling_rate": RATE, "stride": (left, right)})["text"]
            now = max(now, taken / RATE) + recognizer.clock() - began
            if not item["partial"] or len(raw) == chunk:
                found.append(ChunkText((begin + left) / RATE, (begin + len(raw) - right) / RATE, now, text))
                begin += chunk - 2 * stride
    return found
