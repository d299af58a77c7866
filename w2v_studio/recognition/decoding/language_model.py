"""Beam search with a word language model and a lexicon, by flashlight-text and the KenLM inside it."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word, log_softmax, token_kinds, words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.calibration import platt
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE, LARGEST, Emissions, emissions
from w2v_studio.recognition.decoding.lexicon import Spellings, arpa_words, read_lexicon, spell_words
from w2v_studio.recognition.decoding.prefix_beam import BEAM_THRESHOLD
from w2v_studio.recognition.decoding.settings import DecodingError

UNKNOWN = "<unk>"
LN_10 = math.log(10)
"""KenLM counts in decimal logarithms."""


class LanguageModelDecoder:
    """Words of a lexicon that sound and language model like best together; others at the price of `unknown_word_score`.

    `weights` holds lm_weight, word_score, unknown_word_score, the tokens' priors and their weight, the beam's width and
    the confidence's temperature. Raises DecodingError.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        stride_s: float,
        language_model: Path,
        lexicon: Path | None,
        weights: DecodingDefaults,
    ) -> None:
        self._vocabulary, self._stride_s = vocabulary, stride_s
        self.set_weights(weights)
        module = flashlight_text.load_module()
        if lexicon is not None:
            spellings = read_lexicon(lexicon, vocabulary)
        else:
            spellings = spell_words(arpa_words(language_model), vocabulary)
        self.words = len(spellings)
        self._separator = vocabulary.tokens.index(vocabulary.separator)
        # Kept, as the search in C++ does not keep them alive.
        self._dictionary = _dictionary(spellings)
        self._model = _load(language_model, self._dictionary)
        unknown = self._dictionary.get_index(UNKNOWN)
        self._trie = _trie(module, spellings, self._dictionary, self._model, self._separator, len(vocabulary))
        self._module, self._unknown = module, unknown

    def set_weights(self, weights: DecodingDefaults) -> None:
        """Other weights from the next text on, without loading the model again."""
        if weights.prior_weight and len(weights.log_priors) != len(self._vocabulary):
            raise DecodingError(
                f"decoding.json holds {len(weights.log_priors)} log_priors for a vocabulary of "
                f"{len(self._vocabulary)} tokens: it was made for another model; delete it, or measure it again"
            )
        self._weights = weights
        self._habits = np.float32(weights.prior_weight) * np.array(weights.log_priors, np.float32)

    def narrower(self, beam_width: int) -> LanguageModelDecoder:
        """The same decoder with a beam of at most `beam_width`; both share the loaded model."""
        other = copy.copy(self)
        other.set_weights(replace(self._weights, beam_width=min(beam_width, self._weights.beam_width)))
        return other

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """Words of `logits` (frames, tokens); their times count `first_frame` frames before the first row."""
        offset_s = first_frame * self._stride_s
        temperature = self._weights.confidence_temperature
        path = self.path(logits)
        words = words_of_path(path, logits, self._vocabulary, self._stride_s, offset_s, temperature)
        if self._weights.confidence_slope == 0:
            return words
        sure = platt(self.evidence(path, logits), self._weights.confidence_slope, self._weights.confidence_offset)
        return [replace(word, confidence=one) for word, one in zip(words, sure.tolist(), strict=True)]

    def evidence(self, path: NDArray[np.intp], logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean log-probability (words,), priors divided out, of the letters of each word that `path` spells."""
        words = words_of_path(path, logits, self._vocabulary, 1.0)  # times are frames
        frames = token_kinds(self._vocabulary).is_letter[path].nonzero()[0]
        if not words:
            return np.zeros(0)
        divided = logits - self._habits if self._weights.prior_weight else logits
        own = np.nan_to_num(log_softmax(divided[frames])[np.arange(len(frames)), path[frames]], nan=-LARGEST)
        begins = frames.searchsorted([int(word.start_s) for word in words])
        means: NDArray[np.float64] = np.add.reduceat(own.astype(np.float64), begins) / np.diff([*begins, len(frames)])
        return means

    def path(self, logits: NDArray[np.float32]) -> NDArray[np.intp]:
        """The token of each frame (frames,) that spells the best words of `logits` (frames, tokens)."""
        if len(logits) == 0:
            return np.zeros(0, np.intp)
        given = emissions(logits - self._habits if self._weights.prior_weight else logits, self._vocabulary)
        ended = Emissions(self._with_end(given.scores), given.kept, given.frames)
        path = flashlight_text.best_path(self._search(given.most_tokens + 1), ended)[:-1]
        return given.whole_path(path, self._vocabulary.blank)

    def _search(self, most_tokens: int) -> Any:
        """A search is quick to make, and takes time for every token it may follow."""
        weights, module = self._weights, self._module
        options = module.LexiconDecoderOptions(
            beam_size=weights.beam_width,
            beam_size_token=min(most_tokens, len(self._vocabulary)),
            # Wider than without: a word's price is known only in part before its end.
            beam_threshold=2 * BEAM_THRESHOLD,
            lm_weight=weights.lm_weight * LN_10,
            word_score=weights.word_score,
            unk_score=weights.unknown_word_score,
            sil_score=0.0,
            log_add=True,
            criterion_type=module.CriterionType.CTC,
        )
        return module.LexiconDecoder(
            options, self._trie, self._model, self._separator, self._vocabulary.blank, self._unknown, [], False
        )

    def _with_end(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """One frame more, in which the last word may end: a model need not write a separator after it."""
        end = np.full((1, scores.shape[1]), IMPOSSIBLE, np.float32)
        end[0, [self._separator, self._vocabulary.blank]] = 0
        return np.concatenate((scores, end))


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
    """The lexicon as a tree of letters, each branch with the best language model score under it."""
    trie = module.Trie(tokens, separator)
    start = model.start(False)
    for word, ways in spellings.items():
        place = dictionary.get_index(word)
        _, score = model.score(start, place)
        for way in ways:
            trie.insert(way, place, score)
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
