"""`w2v-engine cut`: transcribed recordings into short pieces, at their pauses."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.progress_bar import ProgressBar
from engine.commands.usage import UsageError
from engine.data.sources import read_source

if TYPE_CHECKING:
    from engine.model.ctc import CtcModel
    from engine.text.vocabulary import Vocabulary

MANIFEST = "pieces.tsv"
HEADER = "path\tduration_s\tspeaker\ttranscript"
LONGEST_S = 120.0
"""An alignment takes memory as the square of the length: 200 MB here."""

Piece = tuple[int, int, int, int]
"""First sample, end, first word, end."""


def add_commands(commands: Any) -> None:
    """Add the command to the subparsers."""
    command = commands.add_parser(
        "cut",
        help="cut transcribed recordings into short pieces at their pauses",
        description="Cut transcribed recordings where they pause, with the words that belong to each piece: CTC learns "
        "from short pieces in far fewer updates. A fine-tuned model that has found its first letters says which words "
        f"lie around a pause. Writes FLAC files and {MANIFEST}, to train on.",
    )
    command.add_argument("checkpoint", type=Path, help="a fine-tuned .pt file, or the folder of a run")
    command.add_argument("--data", nargs="+", action="extend", type=Path, required=True, metavar="DATA")
    command.add_argument("--root", type=Path, help="folder of the manifests' paths; without it, their own")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the pieces")
    command.set_defaults(run=cut)


def cut(arguments: argparse.Namespace) -> int:
    """Write the pieces; the exit status. Raises UsageError, DataError, CheckpointError, VocabularyError."""
    manifest: Path = arguments.out / MANIFEST
    if not arguments.checkpoint.exists():
        raise UsageError(f"no checkpoint at {arguments.checkpoint}: give a fine-tuned .pt file, or the folder of a run")
    if manifest.exists():
        raise UsageError(f"{manifest} exists already: choose another --out, or delete it to cut anew")
    with ProgressBar() as progress:
        clips = [
            clip
            for path in arguments.data
            for clip in read_source(path, arguments.root, progress).all_clips()
            if clip.transcript
        ]
    if not clips:
        raise UsageError("none of the recordings has a transcript: there are no words to cut between")
    import soundfile

    from engine.data.audio import SAMPLE_RATE, read_audio
    from engine.training.checkpoint import build_ctc_model, find_checkpoint, letters_alone, load_checkpoint

    checkpoint = letters_alone(load_checkpoint(find_checkpoint(arguments.checkpoint)))
    model, vocabulary = build_ctc_model(checkpoint).eval(), checkpoint.vocabulary
    assert vocabulary is not None  # build_ctc_model refuses checkpoints without one
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines, whole = [HEADER], 0
    with ProgressBar() as progress:
        for number, clip in enumerate(clips):
            samples = read_audio(clip.path, clip.part)
            words = clip.transcript.split()
            pieces = _pieces(samples, words, model, vocabulary)
            whole += not pieces
            for part, (start, end, first, last) in enumerate(pieces or [(0, len(samples), 0, len(words))]):
                name = f"{number:06d}-{part:02d}.flac"
                soundfile.write(arguments.out / name, samples[start:end], SAMPLE_RATE)
                text = " ".join(words[first:last])
                lines.append(f"{name}\t{(end - start) / SAMPLE_RATE:.4f}\t{clip.speaker}\t{text}")
            progress("cutting", number + 1, len(clips))
    # Last and at once: a folder with a manifest is complete.
    part_file = manifest.with_suffix(".tmp")
    part_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part_file.replace(manifest)
    print(f"{manifest}: {len(lines) - 1:,} pieces of {len(clips):,} recordings")
    if whole:
        reason = f"no words that fit, letters the model does not know, or more than {LONGEST_S:g} s"
        print(f"warning: {whole:,} recordings stayed whole: {reason}", file=sys.stderr)
    return 0


def _pieces(samples: Any, words: list[str], model: CtcModel, vocabulary: Vocabulary) -> list[Piece]:
    """The pieces of 16 kHz mono `samples` (N,) int16; none where the words cannot be aligned."""
    import torch

    from engine.data.audio import SAMPLE_RATE, to_float
    from engine.data.pauses import choose_cuts, find_pauses
    from engine.text.alignment import AlignmentError, align_words
    from engine.text.vocabulary import VocabularyError

    if len(samples) > LONGEST_S * SAMPLE_RATE:
        return []
    waveform = to_float(samples)
    try:
        with torch.inference_mode():
            logits = model(torch.from_numpy(waveform)[None])[0][0].numpy()
        aligned = align_words(logits, words, vocabulary, model.backbone.config.stride_samples / SAMPLE_RATE)
    except (AlignmentError, VocabularyError):
        return []
    if len(aligned) != len(words):
        return []
    cuts = choose_cuts(aligned, find_pauses(waveform, SAMPLE_RATE), len(samples) / SAMPLE_RATE)
    bounds = [(0, 0), *((before, round(time_s * SAMPLE_RATE)) for before, time_s in cuts), (len(words), len(samples))]
    return [(start, end, first, last) for (first, start), (last, end) in itertools.pairwise(bounds)]
