"""Names and terms a user expects: found in the log-probabilities, put in place of the words decoded there.

All phrases are one tree of letters, followed through the frames beside the decoder's own path (CTC word spotting,
reference, streaming, section 3). A score counts against the best token of each frame, so that the greedy path has 0, a
phrase less, and a phrase is taken where its boost makes up for that:

frames     T H E | K A T | S A T         greedy words      THE  KAT  SAT
                   C A T                 candidate, -2.1 + 3 letters x boost > 0
                 | C A T |               scored again with the spaces up to the neighbours, as whole words are replaced
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.alignment import align_tokens, alignment_score
from engine.text.confidence import DEFAULT_TEMPERATURE
from engine.text.ctc import Word, log_softmax, words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.emissions import SURE_BLANK
from w2v_studio.recognition.decoding.phrase_tree import Found, Phrase, PhraseTree
from w2v_studio.recognition.decoding.settings import DecodingError, Hotword

MOST_PHRASES = 200
BOOST_PER_LETTER = 0.8
"""What a phrase of weight 1 may be worse than the best path, natural log a letter."""
LEAST_LETTERS = 2


def refuse_too_many(hotwords: Sequence[Hotword]) -> None:
    """Raise DecodingError for more than MOST_PHRASES."""
    if len(hotwords) > MOST_PHRASES:
        raise DecodingError(
            f"{len(hotwords)} hotwords are more than {MOST_PHRASES}: more of them spoil the other words; keep "
            f"those that are said often and heard wrongly"
        )


class HotwordSpotter:
    """Looks for up to 200 phrases. `unusable` lists those that this model's letters cannot spell.

    Raises DecodingError for more phrases than that.
    """

    def __init__(self, vocabulary: Vocabulary, hotwords: tuple[Hotword, ...]) -> None:
        refuse_too_many(hotwords)
        self._vocabulary = vocabulary
        self._separator = (
            vocabulary.tokens.index(vocabulary.separator) if vocabulary.separator in vocabulary.tokens else -1
        )
        self.phrases: list[Phrase] = []
        self.unusable: list[str] = []
        for hotword in hotwords:
            if hotword.weight <= 0:
                continue
            phrase = _phrase(hotword, vocabulary)
            if phrase is None:
                self.unusable.append(hotword.phrase)
            else:
                self.phrases.append(phrase)
        self._tree = PhraseTree(self.phrases, vocabulary.blank)

    def replace(
        self,
        words: list[Word],
        logits: NDArray[np.float32],
        stride_s: float,
        offset_s: float = 0.0,
        temperature: float = DEFAULT_TEMPERATURE,
    ) -> list[Word]:
        """`words` of `logits` (frames, tokens), with phrases where they were said, times and confidences included."""
        if not self.phrases or len(logits) == 0:
            return words
        logits = np.nan_to_num(logits, nan=-1e4, posinf=1e4, neginf=-1e4)
        relative = logits - logits.max(axis=-1, keepdims=True)
        spans = [
            (round((word.start_s - offset_s) / stride_s), round((word.end_s - offset_s) / stride_s)) for word in words
        ]
        places = [_Place.of(found, spans, len(logits)) for found in self.spot(logits)]
        scored = [(self._whole(place, relative), place) for place in places if not self._is_there(place, words)]
        accepted: list[_Place] = []
        for score, place in sorted(scored, key=lambda item: -item[0]):
            if score > 0 and not any(place.meets(other) for other in accepted):
                accepted.append(place)
        result = list(words)
        for place in sorted(accepted, key=lambda place: (-place.first_word, -place.start)):
            tokens = self._with_spaces(place, relative)
            path = align_tokens(relative[place.start : place.end], tokens, self._vocabulary.blank)
            rows = logits[place.start : place.end]
            begin_s = offset_s + place.start * stride_s
            result[place.first_word : place.last_word] = words_of_path(
                path, rows, self._vocabulary, stride_s, begin_s, temperature
            )
        return result

    def spot(self, logits: NDArray[np.float32]) -> list[Found]:
        """Phrases whose letters may be in `logits` (frames, tokens), before the neighbouring words are looked at."""
        relative = logits - logits.max(axis=-1, keepdims=True)
        blank = self._vocabulary.blank
        is_sure = log_softmax(logits)[:, blank] > np.log(SURE_BLANK)
        kept = np.concatenate(([0], (~(is_sure[1:] & is_sure[:-1])).nonzero()[0] + 1))
        return self._tree.follow(relative[kept], kept)

    def _is_there(self, place: _Place, words: list[Word]) -> bool:
        said = " ".join(word.word for word in words[place.first_word : place.last_word])
        return said == place.found.phrase.text

    def _whole(self, place: _Place, relative: NDArray[np.float32]) -> float:
        rows = relative[place.start : place.end]
        return (
            alignment_score(rows, self._with_spaces(place, relative), self._vocabulary.blank) + place.found.phrase.boost
        )

    def _with_spaces(self, place: _Place, relative: NDArray[np.float32]) -> list[int]:
        """The phrase's tokens with the separators that part it from its neighbours; none are due at the ends."""
        tokens = list(place.found.phrase.tokens)
        if self._separator < 0:
            return tokens
        rows, blank = relative[place.start : place.end], self._vocabulary.blank
        before = [[self._separator]] if place.has_left else [[], [self._separator]]
        after = [[self._separator]] if place.has_right else [[], [self._separator]]
        ways = [[*left, *tokens, *right] for left in before for right in after]
        if len(ways) == 1:
            return ways[0]
        return max(ways, key=lambda way: alignment_score(rows, way, blank))


@dataclass(frozen=True)
class _Place:
    """Words [first_word, last_word) that a phrase would replace, and the frames [start, end) up to their neighbours."""

    found: Found
    first_word: int
    last_word: int
    start: int
    end: int
    has_left: bool
    has_right: bool

    @classmethod
    def of(cls, found: Found, spans: list[tuple[int, int]], frames: int) -> _Place:
        """Those words that lie by half or more in the phrase's frames, or hold half of these."""
        hit = []
        for number, (start, end) in enumerate(spans):
            common = min(end, found.end) - max(start, found.start)
            if 2 * common >= min(end - start, found.end - found.start) > 0:
                hit.append(number)
        if hit:
            first, last = hit[0], hit[-1] + 1
        else:
            middle = (found.start + found.end) / 2
            first = last = sum(start < middle for start, _ in spans)
        return cls(
            found,
            first,
            last,
            spans[first - 1][1] if first else 0,
            spans[last][0] if last < len(spans) else frames,
            first > 0,
            last < len(spans),
        )

    def meets(self, other: _Place) -> bool:
        """Whether both cannot be had."""
        return self.start < other.end and other.start < self.end


def _phrase(hotword: Hotword, vocabulary: Vocabulary) -> Phrase | None:
    """In the model's letters, capital or small as it has them; None where it lacks one."""
    for text in (hotword.phrase, hotword.phrase.upper(), hotword.phrase.lower()):
        text = " ".join(text.split())
        if all(letter == " " or letter in vocabulary.tokens for letter in text):
            letters = sum(letter != " " for letter in text)
            if letters < LEAST_LETTERS:
                return None
            return Phrase(text, tuple(vocabulary.encode(text)), BOOST_PER_LETTER * hotword.weight * letters)
    return None
