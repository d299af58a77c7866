"""Words that sound and language model like best together, with their times and how sure they are."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.text.confidence import path_confidence
from engine.text.ctc import Word, log_softmax, token_kinds
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.calibration import platt
from w2v_studio.recognition.decoding.emissions import LARGEST
from w2v_studio.recognition.decoding.letter_words import LetterWords
from w2v_studio.recognition.decoding.phone_words import PhoneWords
from w2v_studio.recognition.decoding.settings import DecodingError, Hotword
from w2v_studio.recognition.decoding.spans import Span
from w2v_studio.recognition.decoding.word_search import Surroundings

LONGEST_HISTORY = 5
"""Words before that count at most: those of n-grams of six, the longest that build-lm makes."""
SMALLEST_SHARE = 0.005
"""Of all texts: a word that every drawn one has is not certain, as other ones may yet be."""


class LanguageModelDecoder:
    """Words of a lexicon that sound and language model like best together.

    They are spelled in the letters of `vocabulary` (LetterWords), or in `phones`, whose columns of the logits follow
    those of the letters (PhoneWords, where `hotwords` are words too). `weights` holds lm_weight, word_score,
    unknown_word_score, the tokens' priors and their weight, the beam's width and the confidence's temperature. Raises
    DecodingError.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        stride_s: float,
        language_model: Path,
        lexicon: Path | None,
        weights: DecodingDefaults,
        phones: Vocabulary | None = None,
        hotwords: tuple[Hotword, ...] = (),
    ) -> None:
        self._tokens, self._stride_s = phones or vocabulary, stride_s
        self._columns = slice(len(vocabulary)) if phones is None else slice(len(vocabulary), None)
        self.set_weights(weights)
        self._search: LetterWords | PhoneWords
        if phones is None:
            self._search = LetterWords(vocabulary, language_model, lexicon)
        elif lexicon is None:
            raise DecodingError("decoding by phones needs a lexicon, lines of WORD<tab>P H O N E S: give one")
        else:
            self._search = PhoneWords(phones, language_model, lexicon, hotwords)

    @property
    def by_phones(self) -> bool:
        """Whether words are found by their phones."""
        return isinstance(self._search, PhoneWords)

    @property
    def words(self) -> int:
        """How many words there are."""
        return self._search.words

    def ways(self, word: str) -> Sequence[Sequence[int]]:
        """How the lexicon says a word in phones, in tokens; nothing for one that it lacks, or for words by letters."""
        return self._search.ways(word) if isinstance(self._search, PhoneWords) else ()

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
        return self._with_confidence(*self.weigh(logits, first_frame))

    def decode_on(
        self, logits: NDArray[np.float32], first_frame: int, before: Sequence[str], *, is_whole: bool
    ) -> list[Word]:
        """The same behind words that were said `before`. Where speech goes on behind these frames too, they are not

        `is_whole`, and a last word that may be unfinished is left out. For decoders by phones.
        """
        if not isinstance(self._search, PhoneWords):
            raise TypeError("only words by phones can go on")
        around = self._search.around(before[-LONGEST_HISTORY:], is_whole)
        return self._with_confidence(*self.weigh(logits, first_frame, around))

    def find(self, logits: NDArray[np.float32]) -> list[Word]:
        """The words of `decode`, sooner: without what else they may be, their confidences those of greedy words."""
        return self._words(logits, 0, *self._search.read(self._without_habits(self.own(logits)), self._weights))

    @property
    def is_calibrated(self) -> bool:
        """Whether confidences are probabilities of being right, measured with this model."""
        return self._weights.confidence_slope > 0 or self._weights.confidence_votes > 0

    def _with_confidence(self, words: list[Word], evidence: NDArray[np.float64]) -> list[Word]:
        if not self.is_calibrated:
            return words
        given = self._weights
        sure = platt(evidence, (given.confidence_slope, given.confidence_votes), given.confidence_offset)
        return [replace(word, confidence=one) for word, one in zip(words, sure.tolist(), strict=True)]

    def weigh(
        self, logits: NDArray[np.float32], first_frame: int = 0, around: Surroundings | None = None
    ) -> tuple[list[Word], NDArray[np.float64]]:
        """Words, with the confidence of greedy ones, and what speaks for each (words, 2): the mean log-probability

        of its letters or phones, priors divided out, and of words by phones the logarithm of the odds that a text that
        may have been said has it. `around` is for words by phones.
        """
        rows = self._without_habits(self.own(logits))
        if isinstance(self._search, PhoneWords):
            path, spans = self._search.read(rows, self._weights, around, with_votes=True)
        else:
            path, spans = self._search.read(rows, self._weights)
        if not spans:
            return [], np.zeros((0, 2))
        frames, begins = self._sounding(path, spans)
        sounds = np.nan_to_num(log_softmax(rows[frames])[np.arange(len(frames)), path[frames]], nan=-LARGEST)
        counts = np.diff([*begins, len(frames)])
        means = np.add.reduceat(sounds.astype(np.float64), begins) / counts
        shares = np.array([0.5 if span.share is None else span.share for span in spans])
        odds = np.log((shares + SMALLEST_SHARE) / (1 - shares + SMALLEST_SHARE))
        return self._words(logits, first_frame, path, spans), np.stack((means, odds), axis=1)

    def _without_habits(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows - self._habits if self._weights.prior_weight else rows

    def _sounding(self, path: NDArray[np.intp], spans: list[Span]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The frames of letters or phones, and where in them each word begins (words,)."""
        frames = token_kinds(self._tokens).is_letter[path].nonzero()[0]
        return frames, frames.searchsorted([span.start for span in spans])

    def _words(
        self, logits: NDArray[np.float32], first_frame: int, path: NDArray[np.intp], spans: list[Span]
    ) -> list[Word]:
        """With times in seconds and the confidence of greedy words."""
        if not spans:
            return []
        frames, begins = self._sounding(path, spans)
        sure = path_confidence(self.own(logits)[frames], path[frames], self._weights.confidence_temperature)
        least = np.minimum.reduceat(sure, begins).tolist()

        def seconds(frame: int) -> float:
            return round((first_frame + frame) * self._stride_s, 4)

        return [
            Word(span.word, seconds(span.start), seconds(span.end), one, span.alternatives)
            for span, one in zip(spans, least, strict=True)
        ]
