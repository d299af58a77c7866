"""What a checkpoint knows of phones, without training it: a linear classifier of frames on each layer's output.

    uv run python -m benchmarks.phone_probe RUN_OR_CHECKPOINT ... --speech SPEECH [--clips 120] [--random]

Frames of `librispeech-mini/train-1h` fit the classifier, frames of `valid` (other speakers) judge it; the phones are
those of the forced alignment beside them. The log mel spectrum of the same frames is the mark to compare with, and
`--random` adds the same network with random weights. Codes: how much a code tells of its phone, as mutual information
over the phones' entropy (PNMI, HuBERT section 4.4), the codes of all groups taken together as one unit.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from engine.model.pretraining import PretrainingModel
from engine.model.spectra import log_mel
from engine.training.checkpoint import Checkpoint, find_checkpoint, load_checkpoint, load_weights

Phones = list[tuple[float, float, str]]
EPOCHS, BATCH = 6, 1024


def read_phones(path: Path) -> dict[str, Phones]:
    """(start, end, phone) of every clip, seconds."""
    clips: dict[str, Phones] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            clips[row["path"]].append((float(row["start_s"]), float(row["end_s"]), row["phone"]))
    return clips


def spoken(folder: Path, clips: dict[str, Phones], most: int) -> Iterator[tuple[Tensor, Phones]]:
    """Evenly chosen clips as waveforms (1, N) with their phones."""
    for name in list(clips)[:: max(1, len(clips) // most)][:most]:
        waveform, _ = soundfile.read(folder / name, dtype="float32")
        yield torch.from_numpy(waveform)[None], clips[name]


def layers_of(model: PretrainingModel, waveform: Tensor) -> dict[str, Tensor]:
    """Each stage's output (T, channels) and the code of each frame (T,)."""
    outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
        for layer in model.wav2vec2.encoder.layers
    ]
    with torch.inference_mode():
        states = model.wav2vec2(waveform)
        ids = model.quantizer.logits(states.latents).argmax(dim=-1)[0]
        mel = log_mel(waveform, model.wav2vec2.config)[0]
    for hook in hooks:
        hook.remove()
    frames = states.latents.shape[1]
    found = {"log mel spectrum": mel, "convolutions": states.latents[0]}
    found |= {f"layer {number}": output.reshape(frames, -1) for number, output in enumerate(outputs, 1)}
    code = torch.zeros(frames, dtype=torch.long)
    for group in range(ids.shape[1]):
        code = code * model.quantizer.entries + ids[:, group]
    return {**found, "code": code}


def collect(
    model: PretrainingModel, clips: Iterator[tuple[Tensor, Phones]], numbers: dict[str, int]
) -> dict[str, Tensor]:
    """Frames of all clips by stage, and `phone` (frames,)."""
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for waveform, phones in clips:
        stages = layers_of(model, waveform)
        times = (np.arange(len(stages["code"])) * 320 + 200) / 16000
        labels = np.full(len(times), -1)
        for start, end, phone in phones:
            labels[(times >= start) & (times < end)] = numbers[phone]
        known = torch.from_numpy(labels >= 0)
        for name, values in stages.items():
            parts[name].append(values[known].clone())
        parts["phone"].append(torch.from_numpy(labels)[known])
    return {name: torch.cat(values) for name, values in parts.items()}


def linear_accuracy(fit: Tensor, fit_phones: Tensor, judge: Tensor, judge_phones: Tensor, phones: int) -> float:
    """Share of frames that a linear classifier names right."""
    mean, scale = fit.mean(dim=0), fit.std(dim=0) + 1e-5
    fit, judge = (fit - mean) / scale, (judge - mean) / scale
    torch.manual_seed(0)
    classifier = nn.Linear(fit.shape[1], phones)
    optimizer = torch.optim.AdamW(classifier.parameters(), 1e-2, weight_decay=1e-3)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(fit)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(classifier(fit[part]), fit_phones[part]).backward()
            optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.6
    return float((classifier(judge).argmax(dim=1) == judge_phones).float().mean())


def phone_information(codes: Tensor, phones: Tensor) -> float:
    """I(phone; code) / H(phone)."""
    counts = np.zeros((int(codes.max()) + 1, int(phones.max()) + 1))
    np.add.at(counts, (codes.numpy(), phones.numpy()), 1)
    joint = counts / counts.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    here = joint > 0
    phone = joint.sum(axis=0)
    entropy = -(phone[phone > 0] * np.log(phone[phone > 0])).sum()
    return float((joint[here] * np.log(joint[here] / apart[here])).sum() / entropy)


def probe(name: str, checkpoint: Checkpoint, random: bool, options: argparse.Namespace) -> None:
    torch.manual_seed(0)
    model = PretrainingModel(checkpoint.config).eval()
    if not random:
        load_weights(model, checkpoint.model, name)
    folder = options.speech / "librispeech-mini"
    clips = {split: read_phones(folder / "phones" / f"{split}.tsv") for split in ("train-1h", "valid")}
    names = sorted({phone for split in clips.values() for row in split.values() for *_, phone in row})
    numbers = {phone: number for number, phone in enumerate(names)}
    fit = collect(model, spoken(folder, clips["train-1h"], options.clips), numbers)
    judge = collect(model, spoken(folder, clips["valid"], options.clips // 3), numbers)
    for stage in [stage for stage in fit if stage not in ("code", "phone")]:
        right = linear_accuracy(fit[stage], fit["phone"], judge[stage], judge["phone"], len(names))
        print(f"| {name} | {stage} | {right:.1%} |", flush=True)
    used = len(judge["code"].unique())
    print(
        f"| {name} | codes: {used} in use, PNMI | {phone_information(judge['code'], judge['phone']):.2f} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+", help="runs or checkpoints of a pre-training")
    parser.add_argument("--speech", type=Path, required=True, help="folder with librispeech-mini")
    parser.add_argument("--clips", type=int, default=120, help="clips to fit on; a third as many judge")
    parser.add_argument("--random", action="store_true", help="also with random weights")
    options = parser.parse_args()
    print("| checkpoint | stage | frames right |\n| --- | --- | --- |")
    for path in options.checkpoints:
        checkpoint = load_checkpoint(find_checkpoint(path))
        probe(path.name, checkpoint, False, options)
        if options.random:
            probe(f"{path.name}, random weights", checkpoint, True, options)


if __name__ == "__main__":
    main()
