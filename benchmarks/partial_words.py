"""How good, how steady and how dear live words are before they are final: greedy against the language model.

    uv run python -m benchmarks.partial_words MANIFEST [--bundle NAME_OR_FOLDER] [--every N] [--beams 8 32 128]
        [--distances 320 640] [--confidences 0 0.5]

Each recording is fed to live recognition in chunks of 0.1 s, with silence before and behind, once for each way of
making partial texts; final texts are made in the same way each time. Hop and window do not follow the machine, so that
all but the load is repeatable.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.word_changes import replaced_words
from engine.data.manifest import read_manifest
from engine.text.error_rate import error_rates
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.evaluation.replay import as_played
from w2v_studio.recognition.decoding.decoder import LiveDecoders, build_decoder
from w2v_studio.recognition.decoding.settings import DecodingSettings
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.updates import FinalUpdate, PartialUpdate
from w2v_studio.recognition.voice_activity import VoiceActivity

CHUNK = 1600


@dataclass
class Heard:
    """Of all recordings: the words last shown before each final text, the final ones, and words taken back.

    `settled` counts committed words, `broken` those of them that the final text has not.
    """

    partial: list[str] = field(default_factory=list)
    final: list[str] = field(default_factory=list)
    revised: int = 0
    settled: int = 0
    broken: int = 0


def play(live: LiveRecognizer, sound: np.ndarray, heard: Heard) -> None:
    """One recording."""
    shown: list[str] = []
    committed: list[str] = []
    last: list[str] = []
    finals: list[str] = []
    for start in [*range(0, len(sound), CHUNK), len(sound)]:
        chunk = sound[start : start + CHUNK]
        for update in live.feed(chunk) if len(chunk) else live.flush():
            if isinstance(update, FinalUpdate):
                finals.append(update.text)
                last += shown
                heard.settled += len(committed)
                heard.broken += replaced_words(committed, update.text.split())
                shown, committed = [], []
            elif isinstance(update, PartialUpdate):
                words = f"{update.committed} {update.unstable}".split()
                kept = next((at for at, pair in enumerate(zip(shown, words, strict=False)) if pair[0] != pair[1]), None)
                heard.revised += len(shown) - (min(len(shown), len(words)) if kept is None else kept)
                shown, committed = words, update.committed.split()
    live.reset()
    heard.partial.append(" ".join(last))
    heard.final.append(" ".join(finals))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--bundle")
    parser.add_argument("--every", type=int, default=1, help="take each n-th recording")
    parser.add_argument("--beams", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--distances", type=int, nargs="+", default=[320], help="commit distances, ms")
    usual = LiveSettings().commit_confidence
    parser.add_argument(
        "--confidences", type=float, nargs="+", default=[usual], help="of words that need not wait (0: none waits)"
    )
    options = parser.parse_args()
    recognizer = Recognizer(find_bundle(options.bundle) if options.bundle else default_bundle(), "cpu", threads=1)
    recognizer.warm_up()
    bundle = recognizer.bundle
    clips = [clip for clip in read_manifest(options.manifest) if clip.transcript][:: options.every]
    sounds = [as_played(read_audio(clip.path)) for clip in clips]
    seconds = sum(map(len, sounds)) / 16_000
    final = build_decoder(bundle, DecodingSettings("lm"))
    ways = {"greedy": DecodingSettings("greedy")}
    ways |= {f"language model, beam {beam}": DecodingSettings("lm", beam_width=beam) for beam in options.beams}
    print(f"{bundle.card.name}, {len(clips)} recordings, {seconds:.0f} s with silence\n")
    print(
        "| partial words | commit distance, confidence | WER of the last ones shown | WER final "
        "| words taken back for a final one | settled words that the final text changes | load |"
    )
    print("|---|---|---|---|---|---|---|")
    for (name, settings), distance, sure in itertools.product(ways.items(), options.distances, options.confidences):
        decoders = LiveDecoders(final, build_decoder(bundle, settings))
        steady = LiveSettings(adaptive_hop=False, commit_distance_ms=distance, commit_confidence=sure)
        live = LiveRecognizer(recognizer, VoiceActivity(), steady, decoders=decoders)
        heard, began = Heard(), time.process_time()
        for sound in sounds:
            play(live, sound, heard)
        load = (time.process_time() - began) / seconds
        said = [clip.transcript for clip in clips]
        shown, settled = (error_rates(zip(said, texts, strict=True)).wer for texts in (heard.partial, heard.final))
        words = sum(len(text.split()) for text in heard.final)
        print(
            f"| {name} | {distance} ms, {sure:g} | {shown:.1%} | {settled:.1%} | {heard.revised / max(words, 1):.2f} "
            f"| {heard.broken / max(heard.settled, 1):.1%} of {heard.settled} | {load:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
