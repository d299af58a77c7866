"""`w2v-studio tune`: weights of a bundle's language model and its words' confidence, into its decoding.json."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from engine.text.ctc import text_of
from engine.text.error_rate import error_rates
from engine.text.pronunciation import lexicon_file
from engine.text.vocabulary import Vocabulary
from w2v_studio.audio.files import AudioFileError, read_audio
from w2v_studio.commands.running import open_recognizer, print_error
from w2v_studio.evaluation.clips import EvaluationError, read_clips
from w2v_studio.recognition.decoding.bundle_files import (
    DecodingDefaults,
    language_model_file,
    read_defaults,
    write_defaults,
)
from w2v_studio.recognition.decoding.calibration import fit_platt, fit_temperature, right_words
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.settings import DecodingError, check_beam_width
from w2v_studio.recognition.decoding.tuning import Trial, log_priors, walk
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse

QUICK_BEAM = 32
"""The walk starts with a beam this wide, from where the wider one has few steps to go."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What the network made of the recordings, `logits` (frames, tokens) each, and what was said.

    `letters` are the first so many columns.
    """

    logits: list[NDArray[np.float32]]
    references: list[str]
    letters: int

    def wer(self, decoder: LanguageModelDecoder) -> float:
        """Word error rate of what `decoder` makes of it."""
        found = [text_of(decoder.find(rows)) for rows in self.logits]
        return error_rates(zip(self.references, found, strict=True)).wer


def tune(options: argparse.Namespace) -> int:
    """Print what is tried; 1 if recordings could not be read. Raises EvaluationError, DecodingError."""
    if options.beam_width is not None:
        check_beam_width(options.beam_width)
    manifests = [Path(name) for name in options.data]
    recognizer = open_recognizer(options)
    folder = recognizer.bundle.folder
    before = read_defaults(folder)
    heard, status = _listen(recognizer, manifests)
    names = " and ".join(f"{manifest.absolute().parent.name}/{manifest.name}" for manifest in manifests)
    after = replace(before, beam_width=options.beam_width or before.beam_width, measured_on=names)
    model = language_model_file(folder)
    if model is None:
        print(f"{recognizer.bundle.card.name} has no language model to weigh; its words' confidence only")
    else:
        bundle, lexicon = recognizer.bundle, lexicon_file(folder)
        phones = bundle.phones if lexicon else None
        start = replace(before, prior_weight=0.0) if _is_of_another(before, phones or bundle.vocabulary) else before
        decoder = LanguageModelDecoder(bundle.vocabulary, bundle.stride_s, model, lexicon, start, phones)
        after = _weigh(decoder, heard, replace(after, prior_weight=start.prior_weight))
        after = _calibrate(decoder, heard, after)
    try:
        temperature = fit_temperature(
            [rows[:, : heard.letters] for rows in heard.logits], heard.references, recognizer.bundle.vocabulary
        )
        after = replace(after, confidence_temperature=round(temperature, 4))
        print(f"confidence of greedy words: temperature {after.confidence_temperature}")
    except DecodingError as error:
        print_error(f"the confidence of greedy words is left as it is: {error}")
    if not options.dry_run:
        try:
            write_defaults(folder, after)
        except OSError as error:
            raise DecodingError(
                f"{folder} cannot be written to ({error.strerror or error}): copy the model with w2v-studio models "
                f"add, or see what is found with --dry-run"
            ) from error
        print(f"wrote {folder / 'decoding.json'}")
    return status


def _is_of_another(weights: DecodingDefaults, tokens: Vocabulary) -> bool:
    """Whether the priors were measured for other tokens, such as letters before the model knew phones."""
    return bool(weights.prior_weight) and len(weights.log_priors) != len(tokens)


def _listen(recognizer: Recognizer, manifests: Sequence[Path]) -> tuple[Heard, int]:
    selections = [read_clips(manifest) for manifest in manifests]
    clips = [clip for selection in selections for clip in selection.clips]
    heard, status = Heard([], [], len(recognizer.bundle.vocabulary)), 0
    for clip in tqdm(clips, unit="file", disable=not sys.stderr.isatty(), file=sys.stderr, leave=False):
        try:
            waveform = read_audio(clip.path)
        except AudioFileError as error:
            status = 1
            print_error(error)
            continue
        heard.logits.append(analyse(recognizer, waveform).all_logits)
        heard.references.append(clip.reference)
    if not heard.logits:
        raise EvaluationError(f"none of the {len(clips)} recordings can be read")
    return heard, status


def _calibrate(decoder: LanguageModelDecoder, heard: Heard, given: DecodingDefaults) -> DecodingDefaults:
    """Confidence of the words that the language model chooses with the weights `given`."""
    decoder.set_weights(given)
    evidence: list[NDArray[np.float64]] = []
    right: list[bool] = []
    for rows, reference in zip(heard.logits, heard.references, strict=True):
        words, speaks = decoder.weigh(rows)
        evidence.append(speaks)
        right += right_words(reference.split(), [word.word for word in words])
    try:
        (slope, votes), offset = fit_platt(np.concatenate(evidence), np.array(right, bool))
    except DecodingError as error:
        print_error(f"the confidence of the language model's words is left as it is: {error}")
        return given
    print(f"confidence of the language model's words: slope {slope:.3f}, votes {votes:.3f}, offset {offset:.3f}")
    return replace(
        given,
        confidence_slope=round(slope, 4),
        confidence_votes=round(votes, 4),
        confidence_offset=round(offset, 4),
    )


def _weigh(decoder: LanguageModelDecoder, heard: Heard, given: DecodingDefaults) -> DecodingDefaults:
    """The best weights found, from those the model has. Prints each that is tried."""

    def rate(weights: DecodingDefaults) -> float:
        decoder.set_weights(weights)
        return heard.wer(decoder)

    as_it_was = Trial(given, rate(given))
    print(f"as it was, beam {given.beam_width}: WER {as_it_was.wer:.2%}", flush=True)
    start = replace(given, log_priors=log_priors(map(decoder.own, heard.logits)))
    quick = min(QUICK_BEAM, given.beam_width)
    ways = (given.merge_runs, not given.merge_runs) if decoder.by_phones else (given.merge_runs,)
    trials = [
        trial
        for merge_runs in ways
        for trial in _told(walk(replace(start, beam_width=quick, merge_runs=merge_runs), rate))
    ]
    tried = 1 + len(trials)
    if given.beam_width > quick:
        start = replace(min(trials, key=lambda trial: trial.wer).weights, beam_width=given.beam_width)
        trials = [*_told(walk(start, rate))]
        tried += len(trials)
    # The last trials have the beam that is asked for.
    best = min(as_it_was, *trials, key=lambda trial: trial.wer)
    found = best.weights
    print(f"best of {tried}: {_shown(found)}: WER {best.wer:.2%} on these recordings")
    return found


def _told(trials: Iterable[Trial]) -> Iterator[Trial]:
    for trial in trials:
        print(f"{_shown(trial.weights)}: WER {trial.wer:.2%}", flush=True)
        yield trial


def _shown(weights: DecodingDefaults) -> str:
    return (
        f"prior_weight {weights.prior_weight:g}  lm_weight {weights.lm_weight:g}  word_score {weights.word_score:g}  "
        f"merge_runs {str(weights.merge_runs).lower()}  beam {weights.beam_width}"
    )
