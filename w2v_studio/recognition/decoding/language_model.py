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
from w2v_studio.recognition.decoding.word_search import Surroundings

LONGEST_HISTORY = 5
"""Words before that count at most: those of n-grams of six, the longest that build-lm makes."""


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

    def _with_confidence(self, words: list[Word], evidence: NDArray[np.float64]) -> list[Word]:
        if self._weights.confidence_slope == 0:
            return words
        sure = platt(evidence, self._weights.confidence_slope, self._weights.confidence_offset)
        return [replace(word, confidence=one) for word, one in zip(words, sure.tolist(), strict=True)]

    def weigh(
        self, logits: NDArray[np.float32], first_frame: int = 0, around: Surroundings | None = None
    ) -> tuple[list[Word], NDArray[np.float64]]:
        """Words, with the confidence of greedy ones, and what sound speaks for each: (words,), the mean log-probability

        of its letters or phones, priors divided out. `around` is for words by phones.
        """
        rows = self.own(logits)
        divided = rows - self._habits if self._weights.prior_weight else rows
        if isinstance(self._search, PhoneWords):
            path, spans = self._search.read(divided, self._weights, around)
        else:
            path, spans = self._search.read(divided, self._weights)
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
