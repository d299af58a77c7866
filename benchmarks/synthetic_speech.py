"""Speech read by free synthetic voices, to train on.

    uv run python -m benchmarks.synthetic_speech TEXT ... --out DIR [--hours H] [--exclude MANIFEST ...]

Cuts runs of 2 to 14 words out of plain text (a sentence a line, capital letters) and has each read by a voice of Flite
(three voices made from recordings, one of diphones) or of eSpeak NG (a formant synthesizer, many variants), at a random
rate, pitch and length of the vocal tract. Writes FLAC files and `train.tsv` (`path  duration_s  speaker  transcript`).

The idea: a few hours of real speech hold a few thousand words, and a network learns those by heart. What it brought is
in resources/models/small-en/RECIPE.md. Needs the programs flite and espeak-ng (Debian packages of these names).
"""

import argparse
import csv
import io
import lzma
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16_000
FLITE = ("awb", "rms", "slt", "awb", "rms", "slt", "awb", "rms", "slt", "kal16")
ACCENTS = ("en-us",) * 6 + ("en-gb", "en-gb-x-rp", "en-us-nyc", "en-gb-scotland")
VARIANTS = """
m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Lee Marco
Mario Michael Mike Nguyen adam anika antonio belinda benjamin boris caleb david ed edward john klatt klatt2 klatt3
linda max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor zac
"""
"""eSpeak NG's variants that speak plainly."""
SPAN = 8
"""Runs of this many words that also stand in an excluded transcript are not read."""


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, also an xz one."""
    packed = path.read_bytes()
    return (lzma.decompress(packed) if path.suffix == ".xz" else packed).decode().splitlines()


def spans(words: list[str]) -> set[tuple[str, ...]]:
    """All runs of SPAN words."""
    return {tuple(words[start : start + SPAN]) for start in range(len(words) - SPAN + 1)}


def excluded_spans(manifests: list[Path]) -> set[tuple[str, ...]]:
    """Runs of words that must not be read; apostrophes do not count."""
    found: set[tuple[str, ...]] = set()
    for manifest in manifests:
        with manifest.open(newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                found |= spans(row["transcript"].replace("'", "").split())
    return found


def phrases(sentences: list[str], excluded: set[tuple[str, ...]], rng: random.Random) -> Iterator[str]:
    """Runs of words, none twice."""
    seen: set[str] = set()
    while True:
        words = rng.choice(sentences).split()
        length = min(len(words), rng.randint(2, 14))
        start = rng.randint(0, len(words) - length)
        phrase = " ".join(words[start : start + length])
        if phrase not in seen and not spans(phrase.replace("'", "").split()) & excluded:
            seen.add(phrase)
            yield phrase


def run(command: list[str]) -> bytes:
    """What a program writes to standard output."""
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def read_aloud(phrase: str, rng: random.Random, scratch: Path) -> tuple[np.ndarray, str]:
    """The phrase as 16 kHz samples, and the voice that read it."""
    text = phrase.lower().replace(" i ", " I ")
    if rng.random() < 0.6:
        voice = rng.choice(FLITE)
        stretch = f"duration_stretch={rng.uniform(0.85, 1.2):.3f}"
        run(["flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", str(scratch)])
        samples, rate = soundfile.read(scratch, dtype="float32")
        speaker = f"flite-{voice}"
        tract = rng.uniform(0.85, 1.18)
    else:
        voice = f"{rng.choice(ACCENTS)}+{rng.choice(VARIANTS.split())}"
        settings = ["-s", str(rng.randint(120, 190)), "-p", str(rng.randint(25, 75))]
        spoken = run(["espeak-ng", "-v", voice, *settings, "--stdout", text])
        samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
        speaker = f"espeak-{voice.partition('+')[2]}"
        tract = rng.uniform(0.92, 1.1)
    # Played faster or slower, formants and pitch move together: another vocal tract.
    samples = soxr.resample(samples, rate * tract, RATE)
    peak = float(np.abs(samples).max(initial=0.0))
    return samples * (0.5 / peak) if peak else samples, speaker


def read_part(order: tuple[int, list[Path], Path, float, int, list[Path]]) -> list[tuple[str, float, str, str]]:
    """One process: its own phrases and voices, until its share of seconds is read."""
    part, texts, out, seconds, seed, exclude = order
    rng = random.Random(f"{seed}/{part}")
    sentences = [line for text in texts for line in read_lines(text) if len(line.split()) > 1]
    # Each part has every n-th draw of its own generator; phrases that two parts share are few and read by other voices.
    rows: list[tuple[str, float, str, str]] = []
    scratch = out / f".scratch-{part}.wav"
    read = 0.0
    for number, phrase in enumerate(phrases(sentences, excluded_spans(exclude), rng)):
        if read >= seconds:
            break
        samples, speaker = read_aloud(phrase, rng, scratch)
        name = f"audio/{part:02d}{number // 1000:03d}/{number % 1000:03d}.flac"
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(out / name, samples, RATE)
        read += len(samples) / RATE
        rows.append((name, len(samples) / RATE, speaker, phrase))
        if number % 1000 == 999:
            print(f"part {part}: {read / 3600:.2f} h", flush=True)
    scratch.unlink(missing_ok=True)
    return rows


def main() -> None:
    """Read texts aloud."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="plain text or .xz, a sentence a line")
    parser.add_argument("--out", type=Path, required=True, help="folder for the audio and train.tsv")
    parser.add_argument("--hours", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", type=int, default=8, help="parts with a generator each: part of the seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--exclude", nargs="*", type=Path, default=[], help="manifests: their sentences are not read")
    chosen = parser.parse_args()
    for program in ("flite", "espeak-ng"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed: apt install flite espeak-ng")
    chosen.out.mkdir(parents=True, exist_ok=True)
    share = chosen.hours * 3600 / chosen.parts
    orders = [(part, chosen.texts, chosen.out, share, chosen.seed, chosen.exclude) for part in range(chosen.parts)]
    with ProcessPoolExecutor(chosen.jobs) as pool:
        parts = list(pool.map(read_part, orders))
    with (chosen.out / "train.tsv").open("w", newline="") as lines:
        writer = csv.writer(lines, delimiter="\t", lineterminator="\n")
        writer.writerow(("path", "duration_s", "speaker", "transcript"))
        for path, duration, speaker, phrase in (row for rows in parts for row in rows):
            writer.writerow((path, f"{duration:.3f}", speaker, phrase))


if __name__ == "__main__":
    main()
