"""Beam search with a word language model and a lexicon, by flashlight-text and the KenLM inside it."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.text.confidence import path_confidence
from engine.text.ctc import Word, log_softmax, token_kinds, words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.calibration import platt
from w2v_studio.recognition.decoding.emissions import (
    IMPOSSIBLE,
    LARGEST,
    LEAST_LOG_PROBABILITY,
    Emissions,
    emissions,
    merge_runs,
)
from w2v_studio.recognition.decoding.lexicon import Spellings, arpa_words, read_lexicon, spell_words
from w2v_studio.recognition.decoding.prefix_beam import BEAM_THRESHOLD
from w2v_studio.recognition.decoding.settings import DecodingError

UNKNOWN = "<unk>"
LEAST_OF_PHONES = -8.0
"""Less probable phones are not followed. As a lexicon has no other way to a word, more of them are worth it than of
letters: with a half-trained small-en -5 gave 57.6 % word errors, -6.5 55.7 %, -8 55.2 %, -12 55.3 % (38 recordings)."""
MOST_ALIKE = 6
"""kTrieMaxLabel of flashlight-text."""
LN_10 = math.log(10)
"""KenLM counts in decimal logarithms."""


class LanguageModelDecoder:
    """Words of a lexicon that sound and language model like best together.

    They are spelled in the letters of `vocabulary`, and words outside the lexicon are written at the price of
    `unknown_word_score`; or in `phones`, whose columns of the logits follow those of the letters, and then the lexicon
    has all the words there are. `weights` holds lm_weight, word_score, unknown_word_score, the tokens' priors and their
    weight, the beam's width and the confidence's temperature. Raises DecodingError.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        stride_s: float,
        language_model: Path,
        lexicon: Path | None,
        weights: DecodingDefaults,
        phones: Vocabulary | None = None,
    ) -> None:
        self._tokens, self._stride_s = phones or vocabulary, stride_s
        self._columns = slice(len(vocabulary)) if phones is None else slice(len(vocabulary), None)
        self._has_phones = phones is not None
        self.set_weights(weights)
        if phones is not None and lexicon is None:
            raise DecodingError("decoding by phones needs a lexicon, lines of WORD<tab>P H O N E S: give one")
        module = flashlight_text.load_module()
        if lexicon is not None:
            spellings = read_lexicon(lexicon, self._tokens)
        else:
            spellings = spell_words(arpa_words(language_model), vocabulary)
        self.words = len(spellings)
        # What may stand between words beside the blank. Phones have nothing there: a column more which no frame takes,
        # as the search would count the ways through the blank twice.
        self._separator = vocabulary.tokens.index(vocabulary.separator) if phones is None else len(phones)
        self._width = max(len(self._tokens), self._separator + 1)
        # Kept, as the search in C++ does not keep them alive.
        self._dictionary = _dictionary(spellings)
        self._model = _load(language_model, self._dictionary)
        unknown = self._dictionary.get_index(UNKNOWN)
        self._trie = _trie(module, spellings, self._dictionary, self._model, self._separator, self._width)
        self._module, self._unknown = module, unknown

    def set_weights(self, weights: DecodingDefaults) -> None:
        """Other weights from the next text on, without loading the model again."""
        if weights.prior_weight and len(weights.log_priors) != len(self._tokens):
            raise DecodingError(
                f"decoding.json holds {len(weights.log_priors)} log_priors for a vocabulary of {len(self._tokens)} "
                "tokens: it was made for another model; delete it, or measure it again"
            )
        self._weights = weights
        self._habits = np.float32(weights.prior_weight) * np.array(weights.log_priors, np.float32)

    def narrower(self, beam_width: int) -> LanguageModelDecoder:
        """The same decoder with a beam of at most `beam_width`; both share the loaded model."""
        other = copy.copy(self)
        other.set_weights(replace(self._weights, beam_width=min(beam_width, self._weights.beam_width)))
        return other

    def own(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The columns of `logits` (frames, tokens) that this decoder looks at, the letters' or the phones'."""
        return logits[..., self._columns]

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """Words of `logits` (frames, tokens); their times count `first_frame` frames before the first row."""
        words, evidence = self.weigh(logits, first_frame)
        if self._weights.confidence_slope == 0:
            return words
        sure = platt(evidence, self._weights.confidence_slope, self._weights.confidence_offset)
        return [replace(word, confidence=one) for word, one in zip(words, sure.tolist(), strict=True)]

    def weigh(self, logits: NDArray[np.float32], first_frame: int = 0) -> tuple[list[Word], NDArray[np.float64]]:
        """Words, with the confidence of greedy ones, and what sound speaks for each: (words,), the mean log-probability

        of its letters or phones, priors divided out.
        """
        rows = self.own(logits)
        divided = rows - self._habits if self._weights.prior_weight else rows
        path, spans = self._read(divided)
        frames = token_kinds(self._tokens).is_letter[path].nonzero()[0]
        if not spans:
            return [], np.zeros(0)
        begins = frames.searchsorted([span.start for span in spans])
        sounds = np.nan_to_num(log_softmax(divided[frames])[np.arange(len(frames)), path[frames]], nan=-LARGEST)
        counts = np.diff([*begins, len(frames)])
        evidence: NDArray[np.float64] = np.add.reduceat(sounds.astype(np.float64), begins) / counts
        sure = path_confidence(rows[frames], path[frames], self._weights.confidence_temperature)
        least = np.minimum.reduceat(sure, begins).tolist()

        def seconds(frame: int) -> float:
            return round((first_frame + frame) * self._stride_s, 4)

        words = [
            Word(span.word, seconds(span.start), seconds(span.end), one) for span, one in zip(spans, least, strict=True)
        ]
        return words, evidence

    def _read(self, divided: NDArray[np.float32]) -> tuple[NDArray[np.intp], list[_Span]]:
        """The best token of each frame (frames,), and the words that they spell."""
        if len(divided) == 0:
            return np.zeros(0, np.intp), []
        least = LEAST_OF_PHONES if self._has_phones else LEAST_LOG_PROBABILITY
        given = emissions(divided, self._tokens, least=least)
        if not self._has_phones:
            ended = Emissions(self._with_end(given.scores), given.kept, given.frames)
            found = flashlight_text.best_path(self._search(given.most_tokens + 1), ended)
            path = given.whole_path(found.tokens[:-1], self._tokens.blank)
            words = words_of_path(path, divided, self._tokens, 1.0)  # times are frames
            return path, [_Span(word.word, int(word.start_s), int(word.end_s)) for word in words]
        merged, runs = merge_runs(given, self._tokens.blank)
        scores = np.pad(merged.scores, ((0, 0), (0, 1)), constant_values=IMPOSSIBLE)
        search = self._search(merged.most_tokens + 1)
        found = flashlight_text.best_path(search, Emissions(scores, merged.kept, merged.frames))
        path = given.whole_path(found.tokens[runs], self._tokens.blank)
        ends = given.kept[runs.searchsorted((found.words >= 0).nonzero()[0], side="right") - 1] + 1
        names = [self._dictionary.get_entry(word) for word in found.words[found.words >= 0].tolist()]
        return _cut_after(path, ends, self._tokens.blank), _spans(path, names, ends, self._tokens.blank)

    def _search(self, most_tokens: int) -> Any:
        """A search is quick to make, and takes time for every token it may follow."""
        weights, module = self._weights, self._module
        options = module.LexiconDecoderOptions(
            beam_size=weights.beam_width,
            beam_size_token=min(most_tokens, self._width),
            # Wider than without: a word's price is known only in part before its end.
            beam_threshold=2 * BEAM_THRESHOLD,
            lm_weight=weights.lm_weight * LN_10,
            word_score=weights.word_score,
            unk_score=-math.inf if self._has_phones else weights.unknown_word_score,
            sil_score=0.0,
            log_add=True,
            criterion_type=module.CriterionType.CTC,
        )
        return module.LexiconDecoder(
            options, self._trie, self._model, self._separator, self._tokens.blank, self._unknown, [], False
        )

    def _with_end(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """One frame more, in which the last word may end: a model need not write a separator after it."""
        end = np.full((1, scores.shape[1]), IMPOSSIBLE, np.float32)
        end[0, [self._separator, self._tokens.blank]] = 0
        return np.concatenate((scores, end))


@dataclass(frozen=True)
class _Span:
    """A word, and its frames `start` to before `end`."""

    word: str
    start: int
    end: int


def _cut_after(path: NDArray[np.intp], ends: NDArray[np.intp], blank: int) -> NDArray[np.intp]:
    """`path` without what follows the last word: the beginning of one that never came to its end."""
    cut = path.copy()
    cut[ends[-1] if len(ends) else 0 :] = blank
    return cut


def _spans(path: NDArray[np.intp], names: list[str], ends: NDArray[np.intp], blank: int) -> list[_Span]:
    """Words that end before the frames `ends` (words,) of `path`; each begins with the first phone after the last."""
    sounds = (path != blank).nonzero()[0]
    starts = sounds[sounds.searchsorted([0, *ends[:-1]])] if len(ends) else []
    return [_Span(*columns) for columns in zip(names, map(int, starts), map(int, ends), strict=True)]


def _dictionary(spellings: Spellings) -> Any:
    module = flashlight_text.load_module("dictionary")
    dictionary = module.Dictionary()
    for word in spellings:
        dictionary.add_entry(word)
    if UNKNOWN not in spellings:
        dictionary.add_entry(UNKNOWN)
    dictionary.set_default_index(dictionary.get_index(UNKNOWN))
    return dictionary


def _load(path: Path, dictionary: Any) -> Any:
    if not path.is_file():
        raise DecodingError(f"there is no language model {path}")
    kenlm = flashlight_text.load_module("decoder.kenlm")
    try:
        with _quiet_loading():
            return kenlm.KenLM(str(path), dictionary)
    except RuntimeError as error:
        raise DecodingError(
            f"{path} cannot be read as a language model ({error}); it must be an ARPA file (.gz too) or KenLM's "
            f"binary format: make one with w2v-engine build-lm"
        ) from error


def _trie(module: Any, spellings: Spellings, dictionary: Any, model: Any, separator: int, tokens: int) -> Any:
    """The lexicon as a tree of tokens, each branch with the best language model score under it.

    Of words that are spelled alike the likeliest MOST_ALIKE are kept, as the tree has no room for more.
    """
    trie = module.Trie(tokens, separator)
    start = model.start(False)
    places = {word: dictionary.get_index(word) for word in spellings}
    scores = {word: model.score(start, place)[1] for word, place in places.items()}
    alike: Counter[tuple[int, ...]] = Counter()
    for word in sorted(spellings, key=scores.__getitem__, reverse=True):
        for way in spellings[word]:
            alike[tuple(way)] += 1
            if alike[tuple(way)] <= MOST_ALIKE:
                trie.insert(way, places[word], scores[word])
    trie.smear(module.SmearingMode.MAX)
    return trie


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """KenLM draws a progress bar on the standard error output of the process, whatever Python does with it."""
    try:
        kept = os.dup(2)
    except OSError:  # a program without a terminal may have none
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
