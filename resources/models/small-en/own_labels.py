"""Texts for recordings without one, as a model hears them: those that it is surest of, as a manifest (self-training).

    uv run python resources/models/small-en/own_labels.py BUNDLE UNLABELLED.tsv OUT.tsv

A recording counts by the mean confidence of its words; the surest four of five are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from engine.data.manifest import read_manifest
from w2v_studio.audio.files import AudioFile
from w2v_studio.bundles import find_bundle
from w2v_studio.recognition.decoding.decoder import build_decoder
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import Transcriber

SHARE = 0.8


def main(bundle: str, unlabelled: Path, out: Path) -> None:
    """Write the manifest."""
    recognizer = Recognizer(find_bundle(bundle))
    transcriber = Transcriber(recognizer, build_decoder(recognizer.bundle), "never")
    heard = []
    for clip in tqdm(read_manifest(unlabelled), unit="file"):
        with AudioFile(clip.path) as sound:
            words = transcriber.transcribe(sound.blocks()).words
        if words:
            sure = sum(word.confidence for word in words) / len(words)
            heard.append((sure, clip, " ".join(word.word for word in words)))
    heard.sort(key=lambda one: -one[0])
    lines = [
        f"{clip.path.absolute()}\t{clip.duration_s:.3f}\t{clip.speaker}\t{text}"
        for _, clip, text in heard[: round(SHARE * len(heard))]
    ]
    out.write_text("\n".join(["path\tduration_s\tspeaker\ttranscript", *lines]) + "\n", encoding="utf-8")
    print(f"{len(lines)} of {len(heard)} recordings in {out}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
