"""Offline recognition: a bundle's graphs in ONNX Runtime against transformers' Wav2Vec2ForCTC in PyTorch, on a CPU.

    uv run python benchmarks/offline.py [--models base ...] [--precisions fp32 int8] [--seconds 8] [--threads 2]

Same weights, audio and threads; random weights of the published sizes. One waveform to logits, the bundle's codes
included, against eager PyTorch with transformers' own choice of attention (SDPA). The sides take turns in one process.
Wall time is what counts, on a quiet machine: beside other work PyTorch's threads wait for each other busily, and its
CPU time counts that too (with --threads 1 it does not). Ratios are of medians, their intervals the 95 % bootstrap over
rounds. Limits: 0.75 for base in fp32, 0.6 in int8.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from engine.config import ModelConfig, RunConfig
from engine.model.ctc import CtcModel
from export.bundle import CONTEXT_FILE, FEATURES_FILE
from export.graph import fold, trace
from export.int8 import quantize
from w2v_studio.recognition.provider import physical_cores, session_options

GROUP = {"feature_norm": "group", "conv_bias": False, "layer_norm_first": False, "normalize_waveform": True}
SMALL = {"conv_channels": (256,) * 7, "embed_dim": 384, "ffn_dim": 1536, "layers": 12, "heads": 6}
MODELS = {
    "base": ModelConfig(**GROUP),
    "base-layer-norm": ModelConfig(),
    "small": ModelConfig(**SMALL),
    "large": ModelConfig(embed_dim=1024, ffn_dim=4096, layers=24, heads=16, normalize_waveform=True),
}
LIMITS = {("base", "fp32"): 0.75, ("base", "int8"): 0.6}


def make_model(name: str) -> CtcModel:
    torch.manual_seed(0)
    model = CtcModel(RunConfig(task="finetune", name=name, model=MODELS[name]), 32).eval()
    # As after fine-tuning: the quantizer's convolutions are those of the backbone.
    model.quantizer_encoder.load_state_dict(model.backbone.feature_extractor.state_dict())
    return model


def as_transformers(model: CtcModel):
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    sizes = model.backbone.config
    config = Wav2Vec2Config(
        feat_extract_norm=sizes.feature_norm,
        conv_dim=sizes.conv_channels,
        conv_bias=sizes.conv_bias,
        do_stable_layer_norm=sizes.layer_norm_first,
        hidden_size=sizes.embed_dim,
        intermediate_size=sizes.ffn_dim,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_conv_pos_embeddings=sizes.position_kernel,
        num_conv_pos_embedding_groups=sizes.position_groups,
        vocab_size=32,
    )
    theirs = Wav2Vec2ForCTC(config).eval()
    names = {"backbone": "wav2vec2", "head": "lm_head"}
    weights = {
        f"{names[name.partition('.')[0]]}.{name.partition('.')[2]}": value
        for name, value in model.state_dict().items()
        if name.partition(".")[0] in names
    }
    theirs.load_state_dict(weights, strict=True)
    return theirs


def bundle_runner(folder: Path, context: str, threads: int, waveform: np.ndarray) -> Callable[[], np.ndarray]:
    features, contexts = (
        onnxruntime.InferenceSession(str(folder / name), session_options(threads), providers=["CPUExecutionProvider"])
        for name in (FEATURES_FILE, context)
    )

    def run() -> np.ndarray:
        latents, _, _ = features.run(["latents", "code_ids", "code_probs"], {"waveform": waveform})
        frames = latents.shape[1]
        feed = {
            "latents": latents,
            "time_mask": np.zeros((1, frames), bool),
            "frame_lengths": np.array([frames], np.int64),
        }
        return contexts.run(["contexts", "logits"], feed)[1]

    return run


def torch_runner(model, waveform: np.ndarray) -> Callable[[], np.ndarray]:
    values = torch.from_numpy(waveform)

    def run() -> np.ndarray:
        with torch.inference_mode():
            return model(values).logits.numpy()

    return run


def take_turns(sides: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, np.ndarray]:
    """(rounds, 2) seconds of each side: wall, CPU."""
    for run in sides.values():
        run()
    spent = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: np.array(pairs) for name, pairs in spent.items()}


def ratio(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Ratio of medians, and its 95 % interval over rounds."""
    picks = np.random.default_rng(0).integers(len(ours), size=(2000, len(ours)))
    drawn = np.median(ours[picks], axis=1) / np.median(theirs[picks], axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.median(ours) / np.median(theirs)), float(low), float(high)


def measure(name: str, precisions: list[str], seconds: float, threads: int, rounds: int, folder: Path) -> None:
    model = make_model(name)
    features, context = trace(fold(model), {})
    onnx.save(features, folder / FEATURES_FILE)
    onnx.save(context, folder / CONTEXT_FILE)
    if "int8" in precisions:
        onnx.save(quantize(context), folder / "int8.onnx")
    del features, context
    samples = round(seconds * 50) * 320 + 80
    waveform = np.random.default_rng(0).normal(0, 1, (1, samples)).astype(np.float32)
    sides = {"torch": torch_runner(as_transformers(model), waveform)}
    del model
    for precision in precisions:
        file = "int8.onnx" if precision == "int8" else CONTEXT_FILE
        sides[precision] = bundle_runner(folder, file, threads, waveform)
    difference = {name: float(np.abs(run() - sides["torch"]()).max()) for name, run in sides.items()}
    spent = take_turns(sides, rounds)
    theirs = spent["torch"]
    for precision in precisions:
        ours = spent[precision]
        found, low, high = ratio(ours[:, 0], theirs[:, 0])
        limit = LIMITS.get((name, precision))
        cells = [
            name,
            precision,
            f"{np.median(theirs[:, 0]) / seconds * 1e3:.1f}",
            f"{np.median(ours[:, 0]) / seconds * 1e3:.1f}",
            f"**{found:.2f}** ({low:.2f} to {high:.2f})",
            f"{ratio(ours[:, 1], theirs[:, 1])[0]:.2f}",
            "" if limit is None else f"{limit} {'met' if found <= limit else 'missed'}",
            f"{difference[precision]:.1g}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["base", "base-layer-norm", "small"])
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "int8"), default=["fp32", "int8"])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--threads", type=int, default=min(4, physical_cores()))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="base only, 5 rounds")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models, arguments.rounds = ["base"], 5
    torch.set_num_threads(arguments.threads)
    print(
        f"\nOffline time, {arguments.seconds:g} s windows, batch 1, {arguments.threads} threads, "
        f"{arguments.rounds} rounds, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}\n"
    )
    print(
        "| model | weights | transformers, ms per audio-s | bundle | ratio (95 %) | CPU time | limit | logits differ |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in arguments.models:
        with tempfile.TemporaryDirectory(prefix="w2v-offline-") as folder:
            measure(name, arguments.precisions, arguments.seconds, arguments.threads, arguments.rounds, Path(folder))


if __name__ == "__main__":
    main()
