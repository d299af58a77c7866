"""Words found by their phones with a word language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.corpus import SPECIAL_WORDS, UNKNOWN
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.drawn_texts import NO_WORD
from w2v_studio.recognition.decoding.emissions import emissions, mean_of_runs
from w2v_studio.recognition.decoding.lexicon import read_lexicon
from w2v_studio.recognition.decoding.ngram_file import read_ngrams
from w2v_studio.recognition.decoding.settings import Hotword
from w2v_studio.recognition.decoding.spans import Span
from w2v_studio.recognition.decoding.spoken_hotwords import SpokenHotword, spoken_hotwords
from w2v_studio.recognition.decoding.word_search import SearchWeights, Surroundings, WordSearch
from w2v_studio.recognition.decoding.word_tree import WordTree
from w2v_studio.recognition.decoding.word_votes import Vote, count_votes

LEAST_OF_PHONES = -8.0
"""Less probable phones are not followed. As a lexicon has no other way to a word, more of them are worth it than of
letters: with a half-trained small-en -5 gave 57.6 % word errors, -6.5 55.7 %, -8 55.2 %, -12 55.3 % (38 recordings)."""

TEXTS = 200
"""So many texts vote on each word."""
MOST_FRAMES = 6000
"""Two minutes without a pause, some 150 MB of all that was followed. On words of longer stretches nothing votes."""


class PhoneWords:
    """The lexicon's words and hotwords, which are all there are, priced by an ARPA file. Raises DecodingError."""

    def __init__(
        self, phones: Vocabulary, language_model: Path, lexicon: Path, hotwords: tuple[Hotword, ...] = ()
    ) -> None:
        self._phones = phones
        spellings = read_lexicon(lexicon, phones)
        model = read_ngrams(language_model)
        self._spellings = spellings
        self._names = [*spellings]
        ways, lifts = [*spellings.values()], [0.0] * len(spellings)
        self._phrases: dict[str, SpokenHotword] = {}
        places = {word: place for place, word in enumerate(spellings)} if hotwords else {}
        for hotword in spoken_hotwords(hotwords, spellings, phones):
            name = " ".join(hotword.words)
            if name not in places:
                places[name] = len(ways)
                self._names.append(name)
                ways.append(hotword.ways)
                lifts.append(0.0)
                self._phrases[name] = hotword
            lifts[places[name]] = hotword.lift
        # What follows a phrase follows its last word.
        numbers = np.array([model.word(name.rpartition(" ")[2]) for name in self._names], np.int32)
        lifted = np.array(lifts, np.float32)
        worth = model.score(np.full(len(numbers), model.start, np.int32), numbers)[0] + lifted
        self._search = WordSearch(WordTree(ways, worth), model, numbers, lifted, phones.blank)
        self._model = model
        # Of words with several pronunciations the first one's; words that the model does not know are all alike to it.
        self._last_phones = np.full(len(model.words), phones.blank, np.int16)
        self._last_phones[numbers[::-1]] = [each[0][-1] for each in reversed(ways)]
        self._last_phones[model.word(SPECIAL_WORDS[UNKNOWN])] = phones.blank

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(self._names)

    def ways(self, word: str) -> Sequence[Sequence[int]]:
        """How the lexicon says a word, in tokens; nothing for one that it lacks."""
        return self._spellings.get(word, ())

    def around(self, before: Sequence[str], is_whole: bool) -> Surroundings:
        """Of frames behind the words `before`, none of which means the beginning of a sentence."""
        numbers = tuple(self._model.word(word) for word in before)
        sounding = int(self._last_phones[numbers[-1]]) if numbers else self._phones.blank
        return Surroundings(numbers or None, None if sounding == self._phones.blank else sounding, is_whole)

    def read(
        self,
        logits: NDArray[np.float32],
        weights: DecodingDefaults,
        around: Surroundings | None = None,
        *,
        with_votes: bool = False,
    ) -> tuple[NDArray[np.intp], list[Span]]:
        """The best phone of each frame (frames,), and the words that they make.

        With `with_votes`, spans tell how many of the texts that may have been said have their word, and what else.
        """
        if len(logits) == 0:
            return np.zeros(0, np.intp), []
        if weights.merge_runs:
            given, runs = mean_of_runs(emissions(logits, self._phones, least=None), self._phones.blank, LEAST_OF_PHONES)
        else:
            given = emissions(logits, self._phones, least=LEAST_OF_PHONES)
            runs = np.arange(len(given.kept))
        wanted = SearchWeights(weights.beam_width, weights.lm_weight, weights.word_score)
        keep_all = with_votes and len(given.scores) <= MOST_FRAMES
        found = self._search.best(given.scores, wanted, around, keep_all=keep_all)
        path = given.whole_path(found.tokens[runs], self._phones.blank)
        path[: given.kept[(runs < found.lead).sum() - 1] + 1 if found.lead else 0] = self._phones.blank
        ended = (found.words != NO_WORD).nonzero()[0]
        # A word's last phone may go on after it was taken for the end.
        changes = np.append((found.tokens[1:] != found.tokens[:-1]).nonzero()[0], len(found.tokens) - 1)
        last = changes[changes.searchsorted(ended)]
        ends = given.kept[runs.searchsorted(last, side="right") - 1] + 1
        # What follows the last word is the beginning of one that never came to its end.
        path[ends[-1] if len(ends) else 0 :] = self._phones.blank
        words = found.words[ended].tolist()
        spans = self._spans(path, [self._names[word] for word in words], ends)
        if found.followed is None:
            return path, [span for parts in spans for span in parts]
        return path, [*self._voted(spans, count_votes(found.words, found.followed.draw(TEXTS)))]

    def _voted(self, spans: list[list[Span]], votes: list[Vote]) -> Iterator[Span]:
        """The spans of each word with the vote on it. Instead of a phrase, or by one, no word is told."""
        for parts, vote in zip(spans, votes, strict=True):
            names = [self._names[word] for word in vote.alternatives if len(parts) == 1]
            alternatives = tuple(name for name in names if " " not in name)
            for span in parts:
                yield replace(span, share=vote.share, alternatives=alternatives)

    def _spans(self, path: NDArray[np.intp], names: list[str], ends: NDArray[np.intp]) -> list[list[Span]]:
        """Words that end before the frames `ends` (words,), several where they are a phrase.

        Each begins with the first phone after the one before.
        """
        sounds = (path != self._phones.blank).nonzero()[0]
        starts = sounds[sounds.searchsorted([0, *ends[:-1]])] if len(ends) else []
        spans: list[list[Span]] = []
        for name, start, end in zip(names, map(int, starts), map(int, ends), strict=True):
            if name in self._phrases:
                spans.append(self._words_of(self._phrases[name], path, start, end))
            else:
                spans.append([Span(name, start, end)])
        return spans

    def _words_of(self, phrase: SpokenHotword, path: NDArray[np.intp], start: int, end: int) -> list[Span]:
        """The words of a phrase between two frames, parted where the way that the path takes parts them."""
        inside = path[start:end]
        begins = (inside != self._phones.blank) & np.append(True, inside[1:] != inside[:-1])
        way = phrase.ways.index(inside[begins].tolist())
        cuts = begins.nonzero()[0][phrase.beginnings[way]]
        sounds = (inside != self._phones.blank).nonzero()[0]
        ends = sounds[sounds.searchsorted([*cuts[1:], len(inside)]) - 1] + 1
        columns = phrase.words, (start + cuts).tolist(), (start + ends).tolist()
        return [Span(*column) for column in zip(*columns, strict=True)]
