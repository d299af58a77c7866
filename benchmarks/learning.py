"""Does pre-training help? The same network, labels and updates, once from pre-training, once from random weights.

    uv run python -m benchmarks.learning --pretrained runs/tiny-en-pretrained --speech SPEECH --out runs/learning

For every seed two fine-tunings run side by side, one thread each; all settings but the start are equal, and the
convolutions learn in both, so that random ones are not a handicap. Labelled clips are cut into short pieces for both.
Each is then measured on the whole clips of the test manifest. Runs that are complete are not repeated, so an
interrupted benchmark goes on where it stopped. Prints a Markdown table and writes curves.tsv.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.short_clips import cut_clips
from engine import events

STARTS = ("pre-trained", "random")
TARGET = 0.8

SETTINGS = """\
task = "finetune"
name = "does pre-training help"

[dropout]
dropout = 0.05
attention = 0.0
activation = 0.0
input = 0.0
final = 0.0
layerdrop = 0.0

[masking]
time_prob = 0.0

[ctc]
train_convolutions = true

[optimizer]
peak_lr = 1e-3
schedule = "tri_stage"
warmup = 0.05
hold = 0.45
eps = 1e-8
clip_norm = 5.0

[loop]
log_every = 20
checkpoint_every = 200
threads = 1
"""


def model_section(pretrained: Path) -> str:
    """The network of the pre-trained run as a TOML section, so that both starts have the same."""
    model: dict[str, Any] = json.loads((pretrained / events.CONFIG_FILE).read_text())["model"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in model.items()]
    return "\n[model]\n" + "\n".join(lines) + "\n"


def is_complete(folder: Path) -> bool:
    """Whether the run in `folder` has done all its updates."""
    path = folder / events.EVENTS_FILE
    return path.is_file() and '"reason": "completed"' in path.read_text(encoding="utf-8")


def start_run(
    options: argparse.Namespace, preset: Path, start: str, seed: int
) -> tuple[Path, subprocess.Popen[bytes] | None]:
    folder = options.out / f"{start}-{seed}"
    if is_complete(folder):
        return folder, None
    engine = [sys.executable, "-m", "engine"]
    if (folder / events.CONFIG_FILE).is_file():
        command = [*engine, "resume", str(folder)]
    else:
        command = [*engine, "finetune", "--preset", str(preset), "--out", str(folder)]
        command += ["--data", str(options.train), "--valid", str(options.speech / options.valid)]
        command += ["--set", f"loop.seed={seed}", "--set", f"loop.updates={options.updates}"]
        command += [
            "--set",
            f"loop.batch_s={options.batch_s}",
            "--set",
            f"loop.evaluate_every={options.evaluate_every}",
        ]
        if start == "pre-trained":
            command += ["--from", str(options.pretrained)]
    log = (options.out / f"{folder.name}.log").open("ab")
    return folder, subprocess.Popen(command, stdout=log, stderr=log)


def run_pair(options: argparse.Namespace, preset: Path, seed: int) -> list[Path]:
    """Both starts at once; the folders."""
    pair = [start_run(options, preset, start, seed) for start in STARTS]
    for folder, process in pair:
        if process is not None and process.wait() != 0:
            raise SystemExit(f"{folder} failed: see {folder}.log")
    return [folder for folder, _ in pair]


def test_scores(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """WER and CER of the last weights on the test manifest."""
    kept = folder / "test.json"
    if not kept.is_file():
        last = max((folder / "checkpoints").glob("step-*.pt"))
        command = [sys.executable, "-m", "engine", "evaluate", str(last), "--events"]
        command += ["--data", str(options.speech / options.test)]
        kept.write_bytes(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    result = json.loads(kept.read_text())
    return {"wer": float(result["wer"]), "cer": float(result["cer"])}


def write_curves(folders: Sequence[Path], path: Path) -> None:
    """Every evaluation on the way, for plots."""
    rows = ["start\tseed\tstep\tloss\twer\tcer"]
    for folder in folders:
        start, _, seed = folder.name.rpartition("-")
        for line in (folder / events.EVENTS_FILE).read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["event"] == "evaluation":
                rows.append(
                    f"{start}\t{seed}\t{event['step']}\t{event['loss']:.4f}\t{event['wer']:.4f}\t{event['cer']:.4f}"
                )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def report(options: argparse.Namespace, scores: dict[str, list[dict[str, float]]]) -> None:
    print(f"| start | seed | {options.test}: CER | WER |\n| --- | --- | --- | --- |")
    for start in STARTS:
        for seed, score in zip(options.seeds, scores[start], strict=True):
            print(f"| {start} | {seed} | {100 * score['cer']:.1f} % | {100 * score['wer']:.1f} % |")
    means = {start: statistics.mean(score["cer"] for score in scores[start]) for start in STARTS}
    ratio = means["pre-trained"] / means["random"]
    verdict = "reached" if ratio <= TARGET else "not reached"
    print(f"\nMean CER: pre-trained {100 * means['pre-trained']:.1f} %, random {100 * means['random']:.1f} %")
    print(f"Ratio {ratio:.2f}; aim: at most {TARGET} ({verdict})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", type=Path, required=True, help="run folder of the pre-training")
    parser.add_argument("--speech", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--labels", default="librispeech-mini/train-1h.tsv", help="manifest to fine-tune on")
    parser.add_argument(
        "--alignments",
        default="librispeech-mini/phones/train-1h.tsv",
        help="phones with times, to cut the labelled clips into pieces of a few seconds; empty keeps them whole",
    )
    parser.add_argument("--valid", default="librispeech-mini/valid.tsv", help="manifest for the curves")
    parser.add_argument("--test", default="librispeech-mini/test.tsv", help="manifest for the scores")
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--batch-s", type=float, default=16.0)
    parser.add_argument("--evaluate-every", type=int, default=150)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; complete ones are kept")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.train = options.speech / options.labels
    if options.alignments:
        options.train = cut_clips(options.train, options.speech / options.alignments, options.out / "pieces")
    preset = options.out / "preset.toml"
    preset.write_text(SETTINGS + model_section(options.pretrained), encoding="utf-8")
    tomllib.loads(preset.read_text(encoding="utf-8"))
    scores: dict[str, list[dict[str, float]]] = {start: [] for start in STARTS}
    folders: list[Path] = []
    for seed in options.seeds:
        pair = run_pair(options, preset, seed)
        folders += pair
        for start, folder in zip(STARTS, pair, strict=True):
            scores[start].append(test_scores(options, folder))
    write_curves(folders, options.out / "curves.tsv")
    report(options, scores)


if __name__ == "__main__":
    main()
