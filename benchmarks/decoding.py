"""Decoding against pyctcdecode and transformers' tokenizer: time and result, on the same logits in one run.

    uv run python benchmarks/decoding.py [MANIFEST] [--bundle NAME_OR_FOLDER] [--quick]
                                         [--language-model FILE.arpa.gz]      also with it (theirs through kenlm)
    uv run python benchmarks/decoding.py --hotwords MANIFEST [--language-model FILE.arpa.gz]  distractors from its words

Without a manifest: the shipped digits. Short clips of a speaker are joined to utterances of `--seconds`, as speech of
a few words says little about time. Rounds alternate between the two sides; ratios are of medians over
rounds. pyctcdecode runs through `uv` in an environment of its own; without uv or a network, its rows are missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.data.manifest import read_manifest
from engine.text.ctc import decode_words, text_of
from engine.text.error_rate import error_rates
from engine.text.vocabulary import Vocabulary
from export.bundle import Bundle
from w2v_studio.assets import resources_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.hotwords import HotwordSpotter
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.lexicon import arpa_words
from w2v_studio.recognition.decoding.prefix_beam import BeamDecoder
from w2v_studio.recognition.decoding.settings import Hotword
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse

BEAM = 32
PAUSE_S = 0.25


@dataclasses.dataclass
class Recording:
    logits: np.ndarray
    transcript: str
    duration_s: float


def recordings(bundle: Bundle, manifest: Path, seconds: float = 0.0, most: int = 0) -> list[Recording]:
    """Logits of each clip; clips of a speaker joined until they are `seconds` long."""
    recognizer = Recognizer(bundle, "cpu")
    joined: list[tuple[str, list[np.ndarray], list[str]]] = []
    pause = np.zeros(int(PAUSE_S * 16000), np.float32)
    clips = read_manifest(manifest)
    if seconds:
        clips.sort(key=lambda clip: clip.speaker)
    for clip in clips:
        if not clip.transcript:
            continue
        waveform = read_audio(clip.path)
        is_open = joined and joined[-1][0] == clip.speaker and sum(map(len, joined[-1][1])) < seconds * 16000
        if not is_open:
            if most and len(joined) == most:
                break
            joined.append((clip.speaker, [], []))
        joined[-1][1].extend((waveform, pause) if seconds else (waveform,))
        joined[-1][2].append(clip.transcript)
    if not joined:
        sys.exit(f"{manifest} has no transcribed clip")
    result = []
    for _, parts, texts in joined:
        waveform = np.concatenate(parts)
        result.append(Recording(analyse(recognizer, waveform).logits, " ".join(texts), len(waveform) / 16000))
    return result


def timed(decode: Callable[[np.ndarray], object], said: list[Recording]) -> list[float]:
    seconds = []
    for recording in said:
        began = time.perf_counter()
        decode(recording.logits)
        seconds.append(time.perf_counter() - began)
    return seconds


class Reference:
    """The other program's process."""

    def __init__(self, folder: Path, said: list[Recording], vocabulary: Vocabulary, model: Path | None) -> None:
        np.savez(folder / "logits.npz", **{f"{number:05d}": each.logits for number, each in enumerate(said)})
        labels = [
            "" if place == vocabulary.blank else " " if token == vocabulary.separator else token
            for place, token in enumerate(vocabulary.tokens)
        ]
        (folder / "labels.json").write_text(json.dumps(labels))
        command = [
            "uv",
            "run",
            "--no-project",
            "--quiet",
            "--python",
            "3.11",
            "--with",
            "pyctcdecode",
            "--with",
            "numpy<2",
        ]
        script = [Path(__file__).with_name("decoding_reference.py"), folder / "logits.npz", folder / "labels.json"]
        if model is not None:
            command += ["--with", "kenlm"]
            plain, words = folder / "lm.arpa", folder / "words.txt"
            with gzip.open(model) if model.suffix == ".gz" else model.open("rb") as packed, plain.open("wb") as out:
                shutil.copyfileobj(packed, out)
            words.write_text("\n".join(word for word in arpa_words(model) if not word.startswith("<")))
            weights = DecodingDefaults()
            script += [plain, words, str(weights.lm_weight), str(weights.word_score)]
        self._process = subprocess.Popen(
            [*command, "python", *map(str, script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if not self._process.stdout.readline():
            raise OSError(f"pyctcdecode did not start; see what `{' '.join(command)} python` says")

    def ask(self, order: str) -> dict:
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def table(head: list[str], rows: list[list[object]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def same(ours: list[str], theirs: list[str]) -> str:
    equal = sum(" ".join(one.split()) == " ".join(other.split()) for one, other in zip(ours, theirs, strict=True))
    return f"{equal} of {len(ours)}"


def compare_speed(bundle: Bundle, manifest: Path, arguments: argparse.Namespace) -> None:
    from transformers import Wav2Vec2CTCTokenizer

    said = recordings(bundle, manifest, arguments.seconds, 8 if arguments.quick else 40)
    rounds = 3 if arguments.quick else 7
    vocabulary, model = bundle.vocabulary, arguments.language_model
    frames = sum(len(each.logits) for each in said)
    print(f"{len(said)} utterances of {bundle.card.name}, {frames / len(said):.0f} frames each; {rounds} rounds\n")
    beam = BeamDecoder(vocabulary, bundle.stride_s, 0.5, BEAM)
    informed = None
    if model is not None:
        informed = LanguageModelDecoder(vocabulary, bundle.stride_s, model, None, DecodingDefaults(beam_width=BEAM))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary.save(folder / "vocab.json")
        tokenizer = Wav2Vec2CTCTokenizer(
            str(folder / "vocab.json"),
            pad_token=vocabulary.tokens[vocabulary.blank],
            word_delimiter_token=vocabulary.separator,
        )
        reference = None
        try:
            reference = Reference(folder, said, vocabulary, model)
        except OSError as error:
            print(f"without pyctcdecode: {error}\n")
        ways: dict[str, Callable[[], tuple[list[float], list[str]]]] = {
            "greedy": lambda: _ours(lambda rows: decode_words(rows, vocabulary), said),
            "tokenizer": lambda: _tokenizer(tokenizer, said),
            "beam": lambda: _ours(beam.decode, said),
        }
        if informed is not None:
            ways["lm"] = lambda: _ours(informed.decode, said)
        if reference is not None:
            ways["pyctcdecode 1"] = lambda: _theirs(reference, "1")
            ways["pyctcdecode 32"] = lambda: _theirs(reference, str(BEAM))
            if informed is not None:
                ways["pyctcdecode 32 lm"] = lambda: _theirs(reference, f"{BEAM} lm")
        times: dict[str, list[float]] = {way: [] for way in ways}
        texts: dict[str, list[str]] = {}
        for _ in range(rounds):
            for way, run in ways.items():
                seconds, texts[way] = run()
                times[way].append(sum(seconds) / len(seconds))
        if reference is not None:
            reference.close()
    middle = {way: statistics.median(each) for way, each in times.items()}
    rows = []
    for ours, theirs, limit in (
        ("greedy", "tokenizer", 0.1),
        ("greedy", "pyctcdecode 1", 0.1),
        ("beam", "pyctcdecode 32", 0.2),
        ("lm", "pyctcdecode 32 lm", 0.2),
    ):
        if ours in middle and theirs in middle:
            ratio = middle[ours] / middle[theirs]
            pairs = [mine / other for mine, other in zip(times[ours], times[theirs], strict=True)]
            spread = f"{min(pairs):.3f} to {max(pairs):.3f}"
            row = [
                ours,
                theirs,
                f"{middle[ours] * 1e3:.3f}",
                f"{middle[theirs] * 1e3:.3f}",
                f"{ratio:.3f}",
                spread,
                limit,
            ]
            rows.append([*row, same(texts[ours], texts[theirs])])
    table(["ours", "against", "ms", "ms", "ratio", "rounds", "at most", "same text"], rows)
    references = [each.transcript for each in said]
    rates = [[way, f"{error_rates(zip(references, found, strict=True)).wer:.4f}"] for way, found in texts.items()]
    table(["way", "WER"], rates)


def _ours(decode: Callable[[np.ndarray], list], said: list[Recording]) -> tuple[list[float], list[str]]:
    return timed(decode, said), [text_of(decode(each.logits)) for each in said]


def _tokenizer(tokenizer: object, said: list[Recording]) -> tuple[list[float], list[str]]:
    def decode(rows: np.ndarray) -> str:
        return tokenizer.decode(rows.argmax(axis=-1), output_word_offsets=True).text

    return timed(decode, said), [decode(each.logits) for each in said]


def _theirs(reference: Reference, order: str) -> tuple[list[float], list[str]]:
    answer = reference.ask(order)
    return answer["seconds"], answer["texts"]


def try_hotwords(bundle: Bundle, manifest: Path, model: Path | None, quick: bool) -> None:
    """The words of the transcripts as hotwords, and 100 that were not said."""
    said = recordings(bundle, manifest, most=60 if quick else 0)
    vocabulary = bundle.vocabulary
    references = [each.transcript for each in said]
    spoken = sorted({word for text in references for word in text.split() if len(word) > 2})[:100]
    rng = np.random.default_rng(0)
    letters = [token for token in vocabulary.tokens if len(token) == 1 and token.isalpha()]
    invented = ["".join(rng.choice(letters, int(rng.integers(3, 10)))) for _ in range(100)]
    real = [word for word in arpa_words(model) if word not in spoken and 3 < len(word) < 12] if model else []
    lists = {"none": [], f"{len(spoken)} words that are said": spoken, "100 invented words": invented}
    if real:
        lists["100 other words"] = [real[place] for place in rng.choice(len(real), 100, replace=False)]
        lists["said and other words"] = [*spoken[:50], *lists["100 other words"][:50]]
    greedy = [decode_words(each.logits, vocabulary) for each in said]
    rows = []
    for name, phrases in lists.items():
        spotter = HotwordSpotter(vocabulary, tuple(map(Hotword, phrases)))
        began = time.perf_counter()
        texts = [
            text_of(spotter.replace(words, each.logits, bundle.stride_s))
            for words, each in zip(greedy, said, strict=True)
        ]
        spent = time.perf_counter() - began
        rates = error_rates(zip(references, texts, strict=True))
        changed = sum(text_of(words) != text for words, text in zip(greedy, texts, strict=True))
        cost = spent / sum(each.duration_s for each in said)
        rows.append([name, f"{100 * rates.wer:.2f} %", changed, f"{cost * 1e3:.2f}"])
    table(["hotwords", "WER", "changed texts", "ms a second of speech"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shipped = resources_folder() / "datasets" / "digits-mini" / "valid.tsv"
    parser.add_argument("manifest", nargs="?", type=Path, default=shipped)
    parser.add_argument("--bundle")
    parser.add_argument("--language-model", type=Path)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--hotwords", type=Path, metavar="MANIFEST")
    arguments = parser.parse_args()
    bundle = find_bundle(arguments.bundle) if arguments.bundle else default_bundle()
    if arguments.hotwords:
        try_hotwords(bundle, arguments.hotwords, arguments.language_model, arguments.quick)
    else:
        compare_speed(bundle, arguments.manifest, arguments)


if __name__ == "__main__":
    main()
