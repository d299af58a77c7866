"""A bundle's words on the open test sets, with PocketSphinx on the same clips in the same run.

    uv run --with pocketsphinx python -m benchmarks.scores --bundle NAME_OR_FOLDER --speech SPEECH
        [--set FOLDER/TABLE.tsv ...] [--live] [--every N] [--json FILE]

Greedy and, where the bundle has a language model, with it; whole recordings and, with `--live`, fed to live
recognition. PocketSphinx decodes whole recordings with the US-English model, dictionary and trigrams of its wheel;
without the wheel its rows are missing. Prints a Markdown table; intervals are the 95 % bootstrap over recordings.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.evaluation.clips import read_clips
from w2v_studio.evaluation.error_counts import ErrorRates, Utterance, compare, error_rates
from w2v_studio.evaluation.replay import Player, as_played
from w2v_studio.recognition.decoding.decoder import build_live_decoders, mode_used
from w2v_studio.recognition.decoding.settings import DecodingSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import Transcriber

SETS = (
    "librispeech-mini/test.tsv",
    "speechocean762/test.tsv",
    "digits/test.tsv",
    "keywords/all.tsv",
    "prompts-en/all.tsv",
)
Recognise = Callable[[np.ndarray], str]


def ways(recognizer: Recognizer, is_live: bool) -> Iterator[tuple[str, Recognise]]:
    """Every way of getting words from a waveform, by name."""
    rate = recognizer.bundle.card.sample_rate
    modes = dict.fromkeys(("greedy", mode_used(recognizer.bundle, DecodingSettings("auto"))))
    for mode in modes:
        decoders = build_live_decoders(recognizer.bundle, DecodingSettings(mode))
        transcriber = Transcriber(recognizer, decoders.final)
        yield f"{mode}, whole", lambda waveform, whole=transcriber: whole.transcribe([waveform]).text
        if is_live:
            player = Player(recognizer, compute_aware=False, decoders=decoders)
            yield f"{mode}, live", lambda waveform, live=player: live.play(as_played(waveform, rate)).text
    sphinx = pocketsphinx()
    if sphinx is not None:
        yield sphinx


def pocketsphinx() -> tuple[str, Recognise] | None:
    """The stock recogniser, if it is installed."""
    try:
        import pocketsphinx as package
    except ImportError:
        return None
    decoder = package.Decoder(samprate=16000, loglevel="FATAL")

    def words_of(waveform: np.ndarray) -> str:
        decoder.start_utt()
        decoder.process_raw((np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr.upper() if found else ""

    return "PocketSphinx, whole", words_of


def cells(rates: ErrorRates) -> str:
    def each(rate: float, interval: tuple[float, float]) -> str:
        return f"{rate:.1%} ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})"

    return f"{each(rates.wer, rates.wer_95)} | {each(rates.cer, rates.cer_95)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle")
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--set", nargs="+", default=SETS, metavar="FOLDER/TABLE.tsv")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="use each N-th recording")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    options = parser.parse_args()
    recognizer = Recognizer(find_bundle(options.bundle) if options.bundle else default_bundle())
    recognise = dict(ways(recognizer, options.live))
    figures = []
    print("| recordings | recogniser | word error rate (95 %) | character error rate (95 %) |\n|---|---|---|---|")
    for name in options.set:
        clips = read_clips(options.speech / name).clips[:: options.every]
        heard: dict[str, list[Utterance]] = {way: [] for way in recognise}
        for clip in clips:
            waveform = read_audio(clip.path)
            for way, words_of in recognise.items():
                heard[way].append(compare(str(clip.path), clip.reference, words_of(waveform)))
        for way, utterances in heard.items():
            rates = error_rates(utterances)
            print(f"| {name.removesuffix('.tsv')} ({len(clips)}) | {way} | {cells(rates)} |", flush=True)
            figures.append({"set": name, "recogniser": way, **dataclasses.asdict(rates)})
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
