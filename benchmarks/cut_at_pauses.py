"""Labelled recordings cut into pieces of a few seconds, at pauses that a CTC run's own alignment finds words around.

    uv run python -m benchmarks.cut_at_pauses RUN_OR_CHECKPOINT MANIFEST --out FOLDER [--check ALIGNMENTS.tsv]

CTC learns from short pieces in far fewer updates. `short_clips.py` cuts where an alignment is at hand; this needs
only a model that has found its first letters. Its forced alignment says which words lie around a pause, the sound
itself says where the pause is; a pause is used where both agree. `--check` counts how often the words before a cut
are those of a reference alignment (lines `path  start_s  end_s  phone  word`).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.short_clips import aligned_words
from engine.text.ctc import Word
from engine.training.checkpoint import build_ctc_model, find_checkpoint, load_checkpoint
from w2v_studio.recognition.decoding.alignment import align_words
from w2v_studio.recognition.decoding.settings import DecodingError

STEP_S = 0.01
PAUSE_S = 0.2
AGREE_S = 0.0
"""Words may reach this far beyond the middle of a pause: CTC places letters near the middle of their sound."""
LEAST_S = 1.5
EDGE_S = 0.3
"""No cut this close to the ends of a clip."""
STRIDE_S = 0.02


def pauses(sound: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """(start, end) in seconds of stretches much quieter than the speech around them."""
    step = round(rate * STEP_S)
    blocks = sound[: len(sound) // step * step].reshape(-1, step)
    level = 10 * np.log10((blocks**2).mean(axis=1) + 1e-10)
    level = np.convolve(level, np.ones(3) / 3, mode="same")
    floor, speech = np.percentile(level, (5, 90))
    quiet = np.concatenate([[0], (level < floor + 0.3 * (speech - floor)).astype(int), [0]])
    edges = np.flatnonzero(np.diff(quiet))
    return [
        (a * STEP_S, b * STEP_S) for a, b in zip(edges[::2], edges[1::2], strict=True) if (b - a) * STEP_S >= PAUSE_S
    ]


def cuts(words: list[Word], quiet: list[tuple[float, float]], duration_s: float) -> list[tuple[int, float]]:
    """(words before it, time) of every cut, in order."""
    found: list[tuple[int, float]] = []
    last_s = 0.0
    for start, end in quiet:
        middle = (start + end) / 2
        before = sum((word.start_s + word.end_s) / 2 < middle for word in words)
        if not 0 < before < len(words) or middle - last_s < LEAST_S or duration_s - middle < LEAST_S - EDGE_S:
            continue
        if words[before - 1].end_s <= middle + AGREE_S and words[before].start_s >= middle - AGREE_S:
            found.append((before, middle))
            last_s = middle
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--check", type=Path, metavar="ALIGNMENTS.tsv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(find_checkpoint(options.run))
    model = build_ctc_model(checkpoint).eval()
    options.out.mkdir(parents=True, exist_ok=True)
    known = aligned_words(options.check) if options.check else {}
    lines = ["path\tduration_s\tspeaker\ttranscript"]
    right = total = 0
    with options.manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows):
        sound, rate = soundfile.read(options.manifest.parent / row["path"], dtype="float32")
        spoken = row["transcript"].split()
        with torch.inference_mode():
            logits = model(torch.from_numpy(sound)[None])[0][0].numpy()
        try:
            words = align_words(logits, spoken, checkpoint.vocabulary, STRIDE_S)
        except DecodingError:
            words = []
        parts = cuts(words, pauses(sound, rate), len(sound) / rate) if len(words) == len(spoken) else []
        reference = known.get(row["path"], [])
        if len(reference) == len(spoken):
            for before, time_s in parts:
                total += 1
                right += reference[before - 1][1] <= time_s + 0.03 and reference[before][0] >= time_s - 0.03
        bounds = [(0, 0.0), *parts, (len(spoken), len(sound) / rate)]
        for part, ((first, start), (last, end)) in enumerate(zip(bounds, bounds[1:], strict=False)):
            name = f"{number:04d}-{part:02d}.flac"
            soundfile.write(options.out / name, sound[round(start * rate) : round(end * rate)], rate)
            lines.append(f"{name}\t{end - start:.3f}\t{row['speaker']}\t{' '.join(spoken[first:last])}")
    (options.out / "pieces.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines) - 1} pieces of {len(rows)} recordings")
    if total:
        print(f"{right} of {total} cuts lie between the right words")


if __name__ == "__main__":
    main()
