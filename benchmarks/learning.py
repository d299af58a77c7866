"""Does pre-training help? The same network, labels and updates, once from pre-training, once from random weights.

    uv run python -m benchmarks.learning --pretrained RUN [--spectra RUN] --speech SPEECH --out runs/learning

For every seed one fine-tuning from each start, two at a time, one thread each; all settings but the start are equal,
and the convolutions learn in all, so that random ones are not a handicap. `--spectra` adds a third start, the
convolutions that the pre-training began with (objective.spectra): what lies between is due to learned units.
Labelled clips are cut into short pieces, and the loss is divided by the symbols' prior (ctc.prior_weight) for all:
without either, a network of this size writes blanks only for longer than this benchmark lasts. Each run is measured on
the whole clips of the test manifest. Runs that are complete are not repeated, so an interrupted benchmark goes on where
it stopped. Prints a Markdown table and writes curves.tsv.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.short_clips import cut_clips
from engine import events

PRETRAINED, RANDOM, SPECTRA = "pre-trained", "random", "spectra only"
AT_ONCE = 2
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
prior_weight = 0.6

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


def folder_of(options: argparse.Namespace, start: str, seed: int) -> Path:
    return options.out / f"{start.replace(' ', '-')}-{seed}"


def start_run(
    options: argparse.Namespace, preset: Path, start: str, seed: int
) -> tuple[Path, subprocess.Popen[bytes] | None]:
    folder = folder_of(options, start, seed)
    if is_complete(folder):
        return folder, None
    engine = [sys.executable, "-m", "engine"]
    if (folder / events.CONFIG_FILE).is_file():
        command = [*engine, "resume", str(folder)]
    else:
        command = [*engine, "finetune", "--preset", str(preset), "--out", str(folder)]
        command += ["--data", str(options.train), "--valid", str(options.speech / options.valid)]
        settings = {
            "loop.seed": seed,
            "loop.updates": options.updates,
            "loop.batch_s": options.batch_s,
            "loop.evaluate_every": options.evaluate_every,
            "ctc.prior_updates": round(0.8 * options.updates),
        }
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        if options.starts[start] is not None:
            command += ["--from", str(options.starts[start])]
    log = (options.out / f"{folder.name}.log").open("ab")
    return folder, subprocess.Popen(command, stdout=log, stderr=log)


def run_all(options: argparse.Namespace, preset: Path) -> None:
    """Every start with every seed, a few at a time."""
    jobs = [(start, seed) for seed in options.seeds for start in options.starts]
    for first in range(0, len(jobs), AT_ONCE):
        for folder, process in [start_run(options, preset, *job) for job in jobs[first : first + AT_ONCE]]:
            if process is not None and process.wait() != 0:
                raise SystemExit(f"{folder} failed: see {folder}.log")


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


def write_curves(options: argparse.Namespace, path: Path) -> None:
    """Every evaluation on the way, for plots."""
    rows = ["start\tseed\tstep\tloss\twer\tcer"]
    for start in options.starts:
        for seed in options.seeds:
            lines = (folder_of(options, start, seed) / events.EVENTS_FILE).read_text(encoding="utf-8").splitlines()
            for event in map(json.loads, lines):
                if event["event"] == "evaluation":
                    figures = "\t".join(f"{event[name]:.4f}" for name in ("loss", "wer", "cer"))
                    rows.append(f"{start}\t{seed}\t{event['step']}\t{figures}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def report(options: argparse.Namespace) -> None:
    scores = {
        start: [test_scores(options, folder_of(options, start, seed)) for seed in options.seeds]
        for start in options.starts
    }
    print(f"| start | {options.test}: CER of each seed | mean CER | mean WER |\n| --- | --- | --- | --- |")
    means = {}
    for start, found in scores.items():
        means[start] = statistics.mean(score["cer"] for score in found)
        each = ", ".join(f"{100 * score['cer']:.1f} %" for score in found)
        wer = statistics.mean(score["wer"] for score in found)
        print(f"| {start} | {each} | {100 * means[start]:.1f} % | {100 * wer:.1f} % |")
    ratio = means[PRETRAINED] / means[RANDOM]
    print(f"\nCER {PRETRAINED} / {RANDOM}: {ratio:.2f}; aim: at most {TARGET} ", end="")
    print("(reached)" if ratio <= TARGET else "(not reached)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretrained", type=Path, required=True, help="run folder of the pre-training")
    parser.add_argument("--spectra", type=Path, help="run folder of the start that the pre-training had, if it had one")
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
    options.starts = {PRETRAINED: options.pretrained, RANDOM: None}
    if options.spectra is not None:
        options.starts[SPECTRA] = options.spectra
    run_all(options, preset)
    write_curves(options, options.out / "curves.tsv")
    report(options)


if __name__ == "__main__":
    main()
