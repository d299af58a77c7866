"""Labelled recordings cut into pieces of a few seconds, at the words of a forced alignment.

    uv run python -m benchmarks.short_clips MANIFEST ALIGNMENTS.tsv FOLDER

Needs an alignment made elsewhere; `w2v-engine cut` makes its own, with a model that has found its first letters. CTC
learns from short pieces in far fewer updates: it finds its first letters only when few of them have to be placed. The
labels stay the same.
"""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path

import soundfile

LEAST_S, MOST_S = 1.5, 3.5
"""A piece ends at the first pause after `LEAST_S`, or at any word after `MOST_S`."""
PAUSE_S = 0.1

Word = tuple[float, float]


def aligned_words(path: Path) -> dict[str, list[Word]]:
    """(start, end) in seconds of every word of every clip. A word said twice in a row counts once: no line parts it."""
    clips: dict[str, list[Word]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for (clip, word), phones in itertools.groupby(rows, key=lambda row: (row["path"], row["word"])):
            found = list(phones)
            if not word.startswith(("<", "+")):
                clips.setdefault(clip, []).append((float(found[0]["start_s"]), float(found[-1]["end_s"])))
    return clips


def pieces(words: list[Word]) -> list[tuple[int, int]]:
    """Ranges of words [first, last) that make a piece each."""
    ranges, first = [], 0
    for place in range(1, len(words) + 1):
        length = words[place - 1][1] - words[first][0]
        is_last = place == len(words)
        if is_last or length >= MOST_S or (length >= LEAST_S and words[place][0] - words[place - 1][1] >= PAUSE_S):
            ranges.append((first, place))
            first = place
    return ranges


def cut_clips(manifest: Path, alignments: Path, out: Path) -> Path:
    """Write the pieces as FLAC with a manifest, which is returned. Clips that do not match the alignment stay whole."""
    listing = out / "pieces.tsv"
    if listing.is_file():
        return listing
    out.mkdir(parents=True, exist_ok=True)
    aligned = aligned_words(alignments)
    lines = ["path\tduration_s\tspeaker\ttranscript"]
    with manifest.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)):
            transcript = row["transcript"].split()
            sound, rate = soundfile.read(manifest.parent / row["path"], dtype="float32")
            words = aligned.get(row["path"], [])
            if len(words) != len(transcript):
                words = [(0.0, len(sound) / rate)] * len(transcript)
                ranges = [(0, len(transcript))]
            else:
                ranges = pieces(words)
            for part, (first, last) in enumerate(ranges):
                # Half of the pause on each side, where there is one.
                start = (words[first][0] + words[first - 1][1]) / 2 if first else 0.0
                end = (words[last - 1][1] + words[last][0]) / 2 if last < len(words) else len(sound) / rate
                name = f"{number:04d}-{part:02d}.flac"
                soundfile.write(out / name, sound[round(start * rate) : round(end * rate)], rate)
                text = " ".join(transcript[first:last])
                lines.append(f"{name}\t{end - start:.3f}\t{row['speaker']}\t{text}")
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return listing


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    print(cut_clips(*map(Path, sys.argv[1:])))
