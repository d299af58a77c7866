"""Words found by their phones with a word language model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.emissions import emissions, mean_of_runs
from w2v_studio.recognition.decoding.lexicon import read_lexicon
from w2v_studio.recognition.decoding.ngram_states import NgramStates
from w2v_studio.recognition.decoding.spans import Span
from w2v_studio.recognition.decoding.word_search import NO_WORD, SearchWeights, WordSearch
from w2v_studio.recognition.decoding.word_tree import WordTree

LEAST_OF_PHONES = -8.0
"""Less probable phones are not followed. As a lexicon has no other way to a word, more of them are worth it than of
letters: with a half-trained small-en -5 gave 57.6 % word errors, -6.5 55.7 %, -8 55.2 %, -12 55.3 % (38 recordings)."""


class PhoneWords:
    """The lexicon's words, which are all there are, priced by an ARPA file. Raises DecodingError."""

    def __init__(self, phones: Vocabulary, language_model: Path, lexicon: Path) -> None:
        self._phones = phones
        spellings = read_lexicon(lexicon, phones)
        model = NgramStates(language_model)
        self._names = list(spellings)
        numbers = np.array([model.word(name) for name in self._names], np.int32)
        worth, _ = model.score(np.full(len(numbers), model.start, np.int32), numbers)
        self._search = WordSearch(WordTree([*spellings.values()], worth), model, numbers, phones.blank)

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(self._names)

    def read(self, logits: NDArray[np.float32], weights: DecodingDefaults) -> tuple[NDArray[np.intp], list[Span]]:
        """The best phone of each frame (frames,), and the words that they make."""
        if len(logits) == 0:
            return np.zeros(0, np.intp), []
        given, runs = mean_of_runs(emissions(logits, self._phones, least=None), self._phones.blank, LEAST_OF_PHONES)
        wanted = SearchWeights(weights.beam_width, weights.lm_weight, weights.word_score)
        found = self._search.best(given.scores, wanted)
        path = given.whole_path(found.tokens[runs], self._phones.blank)
        ended = (found.words != NO_WORD).nonzero()[0]
        ends = given.kept[runs.searchsorted(ended, side="right") - 1] + 1
        # What follows the last word is the beginning of one that never came to its end.
        path[ends[-1] if len(ends) else 0 :] = self._phones.blank
        return path, self._spans(path, [self._names[word] for word in found.words[ended].tolist()], ends)

    def _spans(self, path: NDArray[np.intp], names: list[str], ends: NDArray[np.intp]) -> list[Span]:
        """Words that end before the frames `ends` (words,); each begins with the first phone after the one before."""
        sounds = (path != self._phones.blank).nonzero()[0]
        starts = sounds[sounds.searchsorted([0, *ends[:-1]])] if len(ends) else []
        return [Span(*columns) for columns in zip(names, map(int, starts), map(int, ends), strict=True)]
