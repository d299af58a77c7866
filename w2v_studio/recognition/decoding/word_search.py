"""The words of a lexicon that sounds and language model like best together: beam search through a tree of sounds.

Hypotheses are extended frame by frame and those of equal end are one (time-synchronous token passing). All of a frame
are rows of arrays, so that it takes some sixty calls of NumPy, however wide the beam is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.text.ngram.ngram_states import NgramStates
from w2v_studio.recognition.decoding.drawn_texts import NO_WORD, Arrivals, Followed, Places
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE
from w2v_studio.recognition.decoding.word_tree import WordTree

THRESHOLD = 15.0
"""Hypotheses this much (natural log) below the best of their frame are dropped."""
HOPE = 2.0
"""What a word that ends may gain over the best price of its sounds, for its hypothesis to be looked at although the
beam is full of better ones. On 39 recordings 0, 2 and 4 gave 41.7, 41.4 and 41.5 % word errors, none 41.5 %."""
TEXT_FACTOR = np.int64(0x5851F42D4C957F2D)
"""Odd, so that the words so far and the next one together give a number that hardly another text has (modulo 2^64)."""
SPARE = 3
"""So many times the beam's hypotheses are compared with one another before the best of them are chosen."""
MOST_OTHERS = 1e200
"""After minutes without a pause no text is likely by itself; numbers stay below the largest there are."""


@dataclass(frozen=True)
class SearchWeights:
    """At most `beam` hypotheses; log-probabilities of words count `lm_weight` times, and each word `word_score`."""

    beam: int
    lm_weight: float
    word_score: float


@dataclass(frozen=True)
class Surroundings:
    """What stands around the frames: the `words` said before them, by number of the language model, oldest first.

    None stands for the beginning of a sentence. `sounding` is the token that the last of them ends with, which may go
    on for some frames. Where the speech goes on, `is_whole` is False: the last word may be unfinished.
    """

    words: tuple[int, ...] | None = None
    sounding: int | None = None
    is_whole: bool = True


@dataclass(frozen=True, eq=False)
class Spoken:
    """The best hypothesis: a token for each frame (frames,), and the word that ends in it, or NO_WORD.

    The first `lead` frames are still the last sound of the word before. `followed` is all else, where it was kept.
    """

    tokens: Places
    words: Places
    lead: int = 0
    followed: Followed | None = None


@dataclass(frozen=True, eq=False)
class _Beam:
    """Hypotheses (n,): node of the tree, token of the last frame, history of words, log-probability.

    `texts` are numbers that differ where the words do. `others` is how many times likelier all texts that end
    so are together than the one that is kept.
    """

    nodes: NDArray[np.int32]
    tokens: NDArray[np.int32]
    histories: NDArray[np.int32]
    scores: NDArray[np.float64]
    texts: NDArray[np.int64]
    others: NDArray[np.float64]

    def at(self, places: Places, scores: NDArray[np.float64], others: NDArray[np.float64]) -> _Beam:
        """Those at `places`, with other log-probabilities."""
        return _Beam(
            self.nodes[places], self.tokens[places], self.histories[places], scores, self.texts[places], others
        )


@dataclass(frozen=True, eq=False)
class _Step:
    """What is left of a frame: its hypotheses' tokens, their places in the beam before, the words they ended (n,).

    `arrivals` has all ways to them, where they are kept.
    """

    tokens: NDArray[np.int32]
    before: Places
    words: NDArray[np.int32]
    arrivals: Arrivals | None


class WordSearch:
    """Search in `tree`, whose word w is word `numbers[w]` of `model`, `lifts[w]` (natural log) likelier than it says.

    Keeps no state between calls.
    """

    def __init__(
        self,
        tree: WordTree,
        model: NgramStates,
        numbers: NDArray[np.int32],
        lifts: NDArray[np.float32],
        blank: int,
    ) -> None:
        self._tree, self._model, self._numbers, self._lifts, self._blank = tree, model, numbers, lifts, blank
        self._token_count = max(int(tree.tokens.max(initial=0)), blank) + 1

    def best(
        self,
        scores: NDArray[np.float32],
        weights: SearchWeights,
        around: Surroundings | None = None,
        *,
        keep_all: bool = False,
    ) -> Spoken:
        """The best words of log-probabilities `scores` (frames, tokens), IMPOSSIBLE where not followed.

        Paths that give the same words and end alike count together, by the sum of their probabilities. A hypothesis
        that ends within a word is taken only where none ends with one, or where the speech goes on. With `keep_all`,
        all that was followed is given too, which takes memory.
        """
        around = around or Surroundings()
        beam = self._first(around)
        steps: list[_Step] = []
        for row in scores.astype(np.float64):
            beam, step = self._step(beam, row, weights, keep_all=keep_all)
            steps.append(step)
        followed = None
        if keep_all:
            ends = self._ends(beam, weights.lm_weight, is_whole=around.is_whole)
            followed = Followed([step.arrivals for step in steps if step.arrivals], ends)
        place = self._best_end(beam, weights.lm_weight) if around.is_whole else _best_so_far(beam)
        tokens, words = np.zeros(len(scores), np.intp), np.full(len(scores), NO_WORD, np.intp)
        for frame, step in reversed([*enumerate(steps)]):
            tokens[frame], words[frame] = step.tokens[place], step.words[place]
            place = int(step.before[place])
        is_led = place == 1 and around.sounding is not None
        lead = int((tokens == around.sounding).cumprod().sum()) if is_led else 0
        return Spoken(tokens, words, lead, followed)

    def _first(self, around: Surroundings) -> _Beam:
        """The hypotheses before the first frame."""
        history = np.full(1, self._model.start if around.words is None else 0, np.int32)
        for word in around.words or ():
            history = self._model.score(history, np.full(1, word, np.int32))[1]
        tokens = np.array([self._blank] if around.sounding is None else [self._blank, around.sounding], np.int32)
        count = len(tokens)
        nobody, silence = np.zeros(count, np.int32), np.zeros(count)
        return _Beam(nobody, tokens, history.repeat(count), silence, np.zeros(count, np.int64), np.ones(count))

    def _ends(self, beam: _Beam, lm_weight: float, *, is_whole: bool) -> NDArray[np.float64]:
        """The log-probability of all texts of each hypothesis, with their end where they have one."""
        so_far = beam.scores + np.log(beam.others)
        at_root = beam.nodes == 0
        if not is_whole or not at_root.any():
            return so_far
        return np.where(at_root, so_far + lm_weight * self._model.finish(beam.histories), -np.inf)

    def _best_end(self, beam: _Beam, lm_weight: float) -> int:
        """The place of the likeliest text's likeliest end."""
        at_root = (beam.nodes == 0).nonzero()[0]
        if not len(at_root):
            return int(beam.scores.argmax())
        scores = beam.scores[at_root] + lm_weight * self._model.finish(beam.histories[at_root])
        return int(at_root[np.lexsort((scores, _sums_of_texts(beam.texts[at_root], scores)))[-1]])

    def _step(
        self, beam: _Beam, row: NDArray[np.float64], weights: SearchWeights, *, keep_all: bool
    ) -> tuple[_Beam, _Step]:
        """One frame more, of log-probabilities `row` (tokens,)."""
        tree, possible = self._tree, row > IMPOSSIBLE / 2
        # Those that stay where they are, in the blank or in the sound of the frame before.
        silent = np.arange(len(beam.nodes))
        again = ((beam.tokens != self._blank) & possible[beam.tokens]).nonzero()[0]
        # Those that go on to a next sound, which is another one unless a blank lies between.
        first = tree.first_child[beam.nodes]
        origin, child = _ranges(first, tree.first_child[beam.nodes + 1])
        token = tree.tokens[child]
        open_ = (possible[token] & (token != beam.tokens[origin])).nonzero()[0]
        origin, child, token = origin[open_], child[open_], token[open_]
        heard = beam.scores[origin] + row[token]
        hoped = heard + weights.lm_weight * (tree.best[child] - tree.best[beam.nodes[origin]])
        stay, stay_again = beam.scores + row[self._blank], beam.scores[again] + row[beam.tokens[again]]
        least = _least(np.concatenate((stay, stay_again, hoped)), weights.beam)
        good = (hoped >= least).nonzero()[0]
        origin, child, token, heard, hoped = origin[good], child[good], token[good], heard[good], hoped[good]
        inner = (tree.first_child[child + 1] > tree.first_child[child]).nonzero()[0]
        # Those of them that end a word with it, or several that sound alike.
        ender, place = _ranges(tree.first_word[child], tree.first_word[child + 1])
        word, begun = tree.words[place], origin[ender]
        said, after = self._model.score(beam.histories[begun], self._numbers[word])
        said += self._lifts[word]
        price = weights.lm_weight * (said - tree.best[beam.nodes[begun]]) + weights.word_score
        gone = origin[inner]
        text = beam.texts[begun] * TEXT_FACTOR + word + 1
        everyone = _Beam(
            np.concatenate((beam.nodes, beam.nodes[again], child[inner], np.zeros(len(word), np.int32))),
            np.concatenate((np.full_like(beam.tokens, self._blank), beam.tokens[again], token[inner], token[ender])),
            np.concatenate((beam.histories, beam.histories[again], beam.histories[gone], after)),
            np.concatenate((stay, stay_again, hoped[inner], heard[ender] + price)),
            np.concatenate((beam.texts, beam.texts[again], beam.texts[gone], text)),
            np.concatenate((beam.others, beam.others[again], beam.others[gone], beam.others[begun])),
        )
        words = np.full(len(everyone.nodes), NO_WORD, np.int32)
        words[len(words) - len(word) :] = word
        before = np.concatenate((silent, again, gone, begun))
        return self._choose(everyone, before, words, weights.beam, keep_all=keep_all)

    def _choose(
        self, beam: _Beam, before: Places, words: NDArray[np.int32], most: int, *, keep_all: bool
    ) -> tuple[_Beam, _Step]:
        """The best hypotheses of different ends, of each end the best text's, with the sum of its paths."""
        chosen = (beam.scores >= beam.scores.max() - THRESHOLD).nonzero()[0]
        if len(chosen) > SPARE * most:
            chosen = chosen[beam.scores[chosen].argpartition(-SPARE * most)[-SPARE * most :]]
        keys = beam.histories[chosen].astype(np.int64) * len(self._tree) + beam.nodes[chosen]
        keys = keys * self._token_count + beam.tokens[chosen]
        order = np.lexsort((-beam.scores[chosen], keys))
        chosen, keys = chosen[order], keys[order]
        is_first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
        first = is_first.nonzero()[0]
        scores, texts = beam.scores[chosen], beam.texts[chosen]
        highest, group = scores[first], is_first.cumsum() - 1
        # The others of a group are at most as likely as its first, so nothing overflows.
        shares = np.exp(scores - highest[group])
        sums = np.add.reduceat(shares * (texts == texts[first][group]), first)
        total = highest + np.log(sums)
        best = np.arange(len(first)) if len(first) <= most else total.argpartition(-most)[-most:]
        kept = chosen[first[best]]
        if not keep_all:
            reached = beam.at(kept, total[best], beam.others[kept])
            return reached, _Step(reached.tokens, before[kept], words[kept], None)
        shares *= beam.others[chosen]
        others = np.minimum(np.add.reduceat(shares, first) / sums, MOST_OTHERS)
        last = np.append(first[1:], len(chosen))
        arrivals = Arrivals(before[chosen].astype(np.int32), words[chosen], shares, first[best], last[best])
        reached = beam.at(kept, total[best], others[best])
        return reached, _Step(reached.tokens, before[kept], words[kept], arrivals)


def _best_so_far(beam: _Beam) -> int:
    """The place of the likeliest end of the words that are likeliest so far, whatever word is being said."""
    return int(np.lexsort((beam.scores, _sums_of_texts(beam.texts, beam.scores)))[-1])


def _sums_of_texts(texts: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each hypothesis the log-probability of its text, over all that have it."""
    alike = np.where(texts == texts[:, None], scores, -np.inf)
    sums: NDArray[np.float64] = np.logaddexp.reduce(alike, axis=-1)
    return sums


def _ranges(begins: NDArray[np.int32], ends: NDArray[np.int32]) -> tuple[Places, Places]:
    """Numbers of the rows, each repeated, and beside them all places from `begins` to before `ends` of the row."""
    counts = ends - begins
    rows = np.arange(len(counts)).repeat(counts)
    return rows, (begins - counts.cumsum() + counts)[rows] + np.arange(len(rows))


def _least(hoped: NDArray[np.float64], beam: int) -> float:
    """What a hypothesis must promise to be looked at."""
    least = float(hoped.max()) - THRESHOLD
    if len(hoped) <= beam:
        return least
    return max(least, float(np.partition(hoped, -beam)[-beam]) - HOPE)
