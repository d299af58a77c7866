"""Training speed, memory and losses, side by side with transformers in one run: a Markdown table.

    uv run python benchmarks/training.py [--quick] [--finetune] [--norm layer] [--device cuda --precision bf16]

Both sides get the same weights, batches, masks, negatives, dropouts, precision and threads, each in a process of its
own, in turn (A B A B ...). transformers runs as its documentation shows it, with torch's AdamW; ours is the update of
the engine's loop. Ratios are of medians, with 95 % bootstrap intervals over rounds. LayerDrop is off on both sides, and
so are the feature penalty and the gradient scale of BASE, which transformers does not have. The losses of the first
updates are then compared without dropout and with equal Gumbel noise.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

TARGETS = {"cpu": (1.5, 0.8), "cuda": (2.5, None)}
"""Least ratio of throughput, largest of peak memory (pre-training)."""
FINETUNING_TARGET = 2.0
LARGEST_LOSS_DIFFERENCE = 1e-4
MATRIX = {"cpu": 4096, "cuda": 8192}
"""Side of the square product that the share of the chip is taken of."""


class Side:
    """A child process that does updates when told."""

    def __init__(self, name: str, work: dict[str, Any], *options: str) -> None:
        command = [sys.executable, __file__, "--side", name, "--work", json.dumps(work), *options]
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the side {self.name!r} ended with status {self.process.wait()}; its words are above")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def peak_memory_mb(device: str) -> float:
    """Largest resident memory of this process, or of its tensors on the GPU, in MB."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1e6 if sys.platform == "darwin" else 1e3) * (1 if sys.platform == "darwin" else 1.024)


def serve(arguments: argparse.Namespace) -> None:
    """The child: reads orders, a JSON object a line, and answers each with one."""
    import torch
    from training_sides import SIDES, Work, draw_batch, equal_choices

    fields = json.loads(arguments.work)
    work = Work(**fields | {"lengths_s": tuple(fields["lengths_s"])})
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    side = SIDES[arguments.side](work)

    def wait() -> None:
        if work.device == "cuda":
            torch.cuda.synchronize()

    for line in sys.stdin:
        order = json.loads(line)
        batch = draw_batch(work, order["seed"])
        equal = order["do"] == "compare" or work.finetune
        with equal_choices(work, batch, order["seed"]) if equal else contextlib.nullcontext():
            wait()
            began, began_cpu = time.perf_counter(), time.process_time()
            loss, main = side.update(batch)
            wait()
            took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        answer = {"s": took, "cpu_s": cpu, "loss": loss, "main": main, "peak_mb": peak_memory_mb(work.device)}
        print(json.dumps(answer), flush=True)


def product_speed(device: str, precision: str) -> float:
    """Operations a second of a large square matrix product, best of three."""
    import torch

    size = MATRIX[device]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        product = one @ other
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
        del product
    return 2 * size**3 / best


def ratio_interval(ours: list[float], theirs: list[float], draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval over rounds of the ratio of the medians, theirs over ours."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(ours), size=(draws, len(ours)))
    ratios = np.median(np.array(theirs)[picks], axis=1) / np.median(np.array(ours)[picks], axis=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(low), float(high)


def cpu_row(times: dict[str, list[float]]) -> str:
    """Seconds of all cores together: what is left to compare on a machine that does other things as well."""
    ours, theirs = (statistics.median(values) for values in times.values())
    low, high = ratio_interval(*times.values())
    return f"| CPU seconds of an update | {ours:.2f} | {theirs:.2f} | {theirs / ours:.2f} ({low:.2f} to {high:.2f}) | |"


def start_both(work: dict[str, Any], options: list[str]) -> tuple[Side, Side]:
    return Side("ours", work, *options), Side("transformers", work, *options)


def measure_speed(work: dict[str, Any], arguments: argparse.Namespace, options: list[str]) -> list[str]:
    """Rows of the table: throughput, share of the matrix product, peak memory."""
    from training_sides import Work, draw_batch, operations

    known = Work(**work)
    ours, theirs = start_both(work, options)
    times: dict[str, list[float]] = {"ours": [], "transformers": []}
    cpu_times: dict[str, list[float]] = {"ours": [], "transformers": []}
    peaks: dict[str, float] = {}
    # The matrix product has a process of its own: its memory counts on neither side.
    product = Side("product", work, *options)
    products = []
    for turn in range(arguments.warmup + arguments.rounds):
        for side in (ours, theirs):
            answer = side.ask(do="update", seed=turn)
            peaks[side.name] = answer["peak_mb"]
            if turn >= arguments.warmup:
                times[side.name].append(answer["s"])
                cpu_times[side.name].append(answer["cpu_s"])
            print(f"  round {turn + 1} {side.name}: {answer['s']:.2f} s", file=sys.stderr)
        products.append(product.ask(do="product")["flops"])
    for side in (ours, theirs, product):
        side.close()
    batch = draw_batch(known, 0)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio, (low, high) = medians["transformers"] / medians["ours"], ratio_interval(*times.values())
    speeds = {name: batch.audio_s / value for name, value in medians.items()}
    work_flops, best = operations(known, batch), max(products)
    shares = {name: work_flops / value / best for name, value in medians.items()}
    memory = peaks["ours"] / peaks["transformers"]
    wanted, most = TARGETS[known.device]
    wanted = FINETUNING_TARGET if known.finetune and known.device == "cuda" else wanted
    name = "fine-tuning" if known.finetune else "pre-training"
    seconds = f"{len(known.lengths_s)} rows, {batch.audio_s:.0f} s"
    return [
        f"| {name}, {seconds}: audio-seconds per second | {speeds['ours']:.2f} | {speeds['transformers']:.2f} | "
        f"{ratio:.2f} ({low:.2f} to {high:.2f}) | at least {wanted} |",
        f"| share of the matrix product's {best / 1e9:.0f} GFLOP/s | {shares['ours']:.0%} | "
        f"{shares['transformers']:.0%} | | |",
        cpu_row(cpu_times),
        f"| peak memory, MB | {peaks['ours']:.0f} | {peaks['transformers']:.0f} | {memory:.2f} | "
        f"{f'at most {most}' if most else ''} |",
    ]


def compare_losses(work: dict[str, Any], updates: int, options: list[str]) -> list[str]:
    """A row of the table: how far the losses of the first updates lie apart."""
    ours, theirs = start_both(work | {"dropout": False}, options)
    differences, last = [], (0.0, 0.0)
    for update in range(updates):
        pair = [side.ask(do="compare", seed=1000 + update)["loss"] for side in (ours, theirs)]
        last = (pair[0], pair[1])
        differences.append(abs(pair[0] - pair[1]) / abs(pair[1]))
        print(f"  {work['size']} update {update + 1}: {pair[0]:.6f} and {pair[1]:.6f}", file=sys.stderr)
    ours.close()
    theirs.close()
    return [
        f"| {work['size']}: largest relative difference of the first {updates} losses (the last: "
        f"{last[0]:.5f}, {last[1]:.5f}) | | | {max(differences):.1e} | at most {LARGEST_LOSS_DIFFERENCE:.0e} |"
    ]


def hardware(device: str, threads: int) -> str:
    """Chip, threads and versions, for whoever reads the table."""
    import torch
    import transformers

    chip = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        chip = models[0].partition(": ")[2] if models else chip
    if device == "cuda":
        chip = torch.cuda.get_device_name()
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    return (
        f"{chip}, {threads or torch.get_num_threads()} threads{load}; torch {torch.__version__}, transformers "
        f"{transformers.__version__}, Python {platform.python_version()}"
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds and 2 losses of base")
    parser.add_argument("--size", choices=("base", "small"), default="base")
    parser.add_argument("--norm", choices=("group", "layer"), default="group", help="norm of the convolutions")
    parser.add_argument("--finetune", action="store_true", help="CTC on padded rows of LibriSpeech's lengths")
    parser.add_argument("--rows", type=int, help="rows of a batch (2; fine-tuning 4)")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each row (pre-training)")
    parser.add_argument("--no-dropout", action="store_true", help="all dropouts 0 instead of the published ones")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=0, help="of each side; 0: as torch chooses")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--warmup", type=int, default=1, help="rounds that do not count")
    parser.add_argument("--only", choices=("speed", "losses"), help="leave the other part out")
    parser.add_argument("--small-losses", type=int, default=50, help="updates of the small model to compare")
    parser.add_argument("--base-losses", type=int, default=5, help="updates of --size to compare; 50 for all of them")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.rounds, arguments.base_losses = 3, 2
    return arguments


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    if arguments.side == "product":
        serve_products(arguments)
        return
    if arguments.side:
        serve(arguments)
        return
    from training_sides import Work, librispeech_lengths

    rows = arguments.rows or (4 if arguments.finetune else 2)
    work = dataclasses.asdict(
        Work(
            size=arguments.size,
            norm=arguments.norm,
            lengths_s=librispeech_lengths(rows) if arguments.finetune else (arguments.seconds,) * rows,
            finetune=arguments.finetune,
            dropout=not arguments.no_dropout,
            device=arguments.device,
            precision=arguments.precision,
        )
    )
    options = [f"--threads={arguments.threads}"]
    about = hardware(arguments.device, arguments.threads)
    table = []
    if arguments.only != "losses":
        table += measure_speed(work, arguments, options)
    if arguments.only != "speed":
        small = work | {"size": "small", "learning_rate": 1e-4, "precision": "fp32"}
        if not arguments.finetune:
            small["lengths_s"] = (4.0, 4.0)
        for part, updates in ((small, arguments.small_losses), (work | {"precision": "fp32"}, arguments.base_losses)):
            if updates > 0:
                table += compare_losses(part, updates, options)
    what = f"{arguments.size}, {arguments.norm} norm, {arguments.precision}, {arguments.device}"
    print(f"{what}. {about}\n\n| | ours | transformers | ratio | wanted |\n|---|---|---|---|---|")
    print("\n".join(table))


def serve_products(arguments: argparse.Namespace) -> None:
    """The child that only multiplies matrices."""
    import torch

    work = json.loads(arguments.work)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for _ in sys.stdin:
        print(json.dumps({"flops": product_speed(work["device"], work["precision"])}), flush=True)


if __name__ == "__main__":
    main()
