"""Whether confidences tell right words from wrong ones: fitted on one set of recordings, judged on another.

    uv run python -m benchmarks.confidence FIT_MANIFEST JUDGE_MANIFEST [--bundle NAME_OR_FOLDER] [--every N]

Greedy words: the entropy's measure against plain maximum probability. Words by the bundle's language model, where it
has one: each kind of evidence alone and all together, against the same.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.decoding import table
from engine.data.manifest import read_manifest
from engine.text import confidence as measures
from engine.text.ctc import Word, decode_words, words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.recognition.decoding.calibration import (
    fit_platt,
    fit_temperature,
    greedy_confidences,
    judge,
    platt,
    right_words,
)
from w2v_studio.recognition.decoding.decoder import build_decoder
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.settings import DecodingSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse

HEAD = ["", "words", "confidence", "AUROC", "NCE", "calibration error"]
EVIDENCE = {"sound": [0], "votes": [1], "sound and votes": [0, 1]}


@dataclasses.dataclass
class Heard:
    """What the network makes of recordings, all its columns, and what was said."""

    logits: list[NDArray[np.float32]]
    transcripts: list[str]

    def right(self, found: Sequence[Sequence[Word]]) -> NDArray[np.bool_]:
        """Of the words found in each recording, one behind the other, whether they are right."""
        pairs = zip(found, self.transcripts, strict=True)
        return np.array([one for words, said in pairs for one in right_words(said.split(), [w.word for w in words])])


def listen(recognizer: Recognizer, manifest: Path, every: int) -> Heard:
    """Each `every`-th transcribed recording."""
    clips = [clip for clip in read_manifest(manifest) if clip.transcript][::every]
    return Heard(
        [analyse(recognizer, read_audio(clip.path)).all_logits for clip in clips], [clip.transcript for clip in clips]
    )


def row(role: str, name: str, confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> list[object]:
    """Of the table."""
    quality = judge(confidences, right)
    words = f"{quality.words}, {quality.right / quality.words:.0%} right"
    return [role, words, name, f"{quality.auroc:.3f}", f"{quality.nce:+.3f}", f"{quality.ece:.3f}"]


def greedy_rows(sets: dict[str, Heard], vocabulary: Vocabulary) -> list[list[object]]:
    """One temperature from the first set."""
    letters = {role: [rows[:, : len(vocabulary)] for rows in heard.logits] for role, heard in sets.items()}
    known = sets["fitted on"]
    temperature = fit_temperature(letters["fitted on"], known.transcripts, vocabulary)
    rows = []
    for role, heard in sets.items():
        right = heard.right([decode_words(each, vocabulary) for each in letters[role]])
        for name, confidences in (
            (f"entropy, temperature {temperature:.3f}", greedy_confidences(letters[role], vocabulary, temperature)),
            ("entropy, temperature 1", greedy_confidences(letters[role], vocabulary, 1.0)),
            ("maximum probability", _greedy_peaks(letters[role], vocabulary)),
        ):
            rows.append(row(role, name, confidences, right))
    return rows


def language_model_rows(sets: dict[str, Heard], decoder: LanguageModelDecoder, stride_s: float) -> list[list[object]]:
    """A line over each kind of evidence from the first set; kinds that the decoder does not have say nothing."""
    found = {role: [decoder.weigh(rows) for rows in heard.logits] for role, heard in sets.items()}
    evidence = {role: np.concatenate([kinds for _, kinds in each]) for role, each in found.items()}
    right = {role: sets[role].right([words for words, _ in each]) for role, each in found.items()}
    lines = {
        name: fit_platt(evidence["fitted on"][:, kinds], right["fitted on"])
        for name, kinds in EVIDENCE.items()
        if (np.ptp(evidence["fitted on"][:, kinds], axis=0) > 0).all()
    }
    rows = []
    for role, heard in sets.items():
        for name, (slopes, offset) in lines.items():
            sure = platt(evidence[role][:, EVIDENCE[name]], slopes, offset)
            rows.append(row(role, name, sure, right[role]))
        peaks = [
            measures.peak_confidence(decoder.own(logits))[round(w.start_s / stride_s) : round(w.end_s / stride_s)].min()
            for logits, (words, _) in zip(heard.logits, found[role], strict=True)
            for w in words
        ]
        rows.append(row(role, "maximum probability", np.array(peaks), right[role]))
    return rows


def _greedy_peaks(logits: list[NDArray[np.float32]], vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Least maximum probability of each greedy word's frames."""
    result = []
    for rows in logits:
        path = rows.argmax(axis=-1)
        peaks = measures.peak_confidence(rows)
        for word in words_of_path(path, rows, vocabulary, 1.0):
            span = slice(int(word.start_s), int(word.end_s))
            letters = path[span] != vocabulary.blank
            result.append(float(peaks[span][letters].min()))
    return np.array(result)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fit", type=Path)
    parser.add_argument("judge", type=Path)
    parser.add_argument("--bundle")
    parser.add_argument("--every", type=int, default=1, help="take each n-th recording")
    options = parser.parse_args()
    bundle = find_bundle(options.bundle) if options.bundle else default_bundle()
    recognizer = Recognizer(bundle, "cpu")
    sets = {
        "fitted on": listen(recognizer, options.fit, options.every),
        "judged on": listen(recognizer, options.judge, options.every),
    }
    print("\nGreedy words\n")
    table(HEAD, greedy_rows(sets, bundle.vocabulary))
    decoder = build_decoder(bundle, DecodingSettings("lm"))
    if isinstance(decoder, LanguageModelDecoder):
        print("\nWords by the language model\n")
        table(HEAD, language_model_rows(sets, decoder, bundle.stride_s))


if __name__ == "__main__":
    main()
