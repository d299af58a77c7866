"""Hotwords as words of a lexicon: phrases, how they are spoken, and how much likelier than the language model says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.text.spelling import SpellingRules
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding.hotwords import BOOST_PER_LETTER, LEAST_LETTERS, refuse_too_many
from w2v_studio.recognition.decoding.settings import Hotword

MOST_WAYS = 8
"""Ways to speak a phrase; its words may have several each."""

Ways = list[list[int]]


@dataclass(frozen=True)
class SpokenHotword:
    """`words` of a phrase as the lexicon writes words, its `ways` in phones, `lift` in natural log.

    `beginnings` has for each way the places of its words' first phones.
    """

    words: tuple[str, ...]
    ways: Ways
    beginnings: list[list[int]]
    lift: float


def spoken_hotwords(
    hotwords: Sequence[Hotword], spellings: Mapping[str, Ways], phones: Vocabulary
) -> list[SpokenHotword]:
    """Those that can be said. Words that the lexicon lacks are spoken by the rules that its own words show.

    Raises DecodingError for too many.
    """
    refuse_too_many(hotwords)
    wanted = [(hotword, _as_written(hotword.phrase, spellings)) for hotword in hotwords if hotword.weight > 0]
    missing = sorted({word for _, words in wanted for word in words if word not in spellings})
    learned = _by_rules(missing, spellings, phones) if missing else {}
    found = []
    for hotword, words in wanted:
        letters = sum(map(len, words))
        ways = [spellings.get(word) or learned.get(word, []) for word in words]
        if letters >= LEAST_LETTERS and all(ways):
            some = [*itertools.islice(itertools.product(*ways), MOST_WAYS)]
            spoken = [[*itertools.chain(*way)] for way in some]
            beginnings = [[0, *itertools.accumulate(map(len, way[:-1]))] for way in some]
            found.append(SpokenHotword(words, spoken, beginnings, BOOST_PER_LETTER * hotword.weight * letters))
    return found


def _as_written(phrase: str, spellings: Mapping[str, Ways]) -> tuple[str, ...]:
    """In capitals, if that is how the lexicon writes."""
    capitals = next(iter(spellings)).isupper()
    return tuple((phrase.upper() if capitals else phrase).split())


def _by_rules(words: Sequence[str], spellings: Mapping[str, Ways], phones: Vocabulary) -> dict[str, Ways]:
    index = {token: place for place, token in enumerate(phones.tokens)}
    rules = SpellingRules({word: [phones.tokens[phone] for phone in ways[0]] for word, ways in spellings.items()})
    return {word: [[index[phone] for phone in sounds]] for word in words if (sounds := rules.phones(word))}
