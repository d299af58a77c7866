"""Words spelled by letter, found with a word language model: flashlight-text and the KenLM inside it."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import words_of_path
from engine.text.ngram.corpus import SPECIAL_WORDS
from engine.text.ngram.corpus import UNKNOWN as UNKNOWN_NUMBER
from engine.text.ngram.ngram_states import LN_10
from engine.text.ngram.packed import SUFFIX
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE, Emissions, emissions
from w2v_studio.recognition.decoding.lexicon import Spellings, arpa_words, read_lexicon, spell_words
from w2v_studio.recognition.decoding.prefix_beam import BEAM_THRESHOLD
from w2v_studio.recognition.decoding.settings import DecodingError
from w2v_studio.recognition.decoding.spans import Span

UNKNOWN = SPECIAL_WORDS[UNKNOWN_NUMBER]
MOST_ALIKE = 6
"""kTrieMaxLabel of flashlight-text."""


class LetterWords:
    """The lexicon's words, or all of the language model's; others at the price of `unknown_word_score`.

    Raises DecodingError.
    """

    def __init__(self, vocabulary: Vocabulary, language_model: Path, lexicon: Path | None) -> None:
        if language_model.suffix == SUFFIX:
            raise DecodingError(
                f"{language_model} is for models that know phones, and this one decodes letters: make an ARPA file "
                "with w2v-engine build-lm"
            )
        self._vocabulary = vocabulary
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
        self._unknown = self._dictionary.get_index(UNKNOWN)
        self._trie = _trie(module, spellings, self._dictionary, self._model, self._separator, len(vocabulary))
        self._module = module

    def read(self, logits: NDArray[np.float32], weights: DecodingDefaults) -> tuple[NDArray[np.intp], list[Span]]:
        """The best token of each frame (frames,), and the words that they spell."""
        if len(logits) == 0:
            return np.zeros(0, np.intp), []
        given = emissions(logits, self._vocabulary)
        ended = Emissions(self._with_end(given.scores), given.kept, given.frames)
        found = flashlight_text.best_path(self._search(weights, given.most_tokens + 1), ended)
        path = given.whole_path(found[:-1], self._vocabulary.blank)
        words = words_of_path(path, logits, self._vocabulary, 1.0)  # times are frames
        return path, [Span(word.word, int(word.start_s), int(word.end_s)) for word in words]

    def _search(self, weights: DecodingDefaults, most_tokens: int) -> Any:
        """A search is quick to make, and takes time for every token it may follow."""
        module = self._module
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
