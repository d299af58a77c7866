"""CTC prefix beam search without a language model: the text whose paths have the largest sum of probabilities.

By flashlight-text where it is installed, else by the search below, in Python. Both keep, as other implementations do,
a text that ends in a blank and the same text that ends in its letter as two hypotheses, each with a place in the beam.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.text.ctc import Word, words_of_path
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.alignment import align_tokens
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE, emissions


class BeamDecoder:
    """Prefix beam search over `beam_width` hypotheses. `uses_flashlight` None: where it is installed."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        stride_s: float,
        temperature: float,
        beam_width: int = 32,
        uses_flashlight: bool | None = None,
    ) -> None:
        self._vocabulary, self._stride_s, self._temperature = vocabulary, stride_s, temperature
        self._beam_width = beam_width
        if uses_flashlight is None:
            uses_flashlight = flashlight_text.is_available()
        self._module = flashlight_text.load_module() if uses_flashlight else None

    def decode(self, logits: NDArray[np.float32], first_frame: int = 0) -> list[Word]:
        """Words of `logits` (frames, tokens); their times count `first_frame` frames before the first row."""
        if len(logits) == 0:
            return []
        blank = self._vocabulary.blank
        given = emissions(logits, self._vocabulary)
        if self._module is not None:
            path = flashlight_text.best_path(self._search(self._module, given.most_tokens), given)
        else:
            text = search_prefixes(given.scores, blank, self._beam_width)
            path = align_tokens(given.scores, text, blank)
        whole = given.whole_path(path, blank)
        offset_s = first_frame * self._stride_s
        return words_of_path(whole, logits, self._vocabulary, self._stride_s, offset_s, self._temperature)

    def _search(self, module: Any, most_tokens: int) -> Any:
        """A search is quick to make, and takes time for every token it may follow."""
        options = module.LexiconFreeDecoderOptions(
            beam_size=self._beam_width,
            beam_size_token=most_tokens,
            beam_threshold=flashlight_text.BEAM_THRESHOLD,
            lm_weight=0.0,
            sil_score=0.0,
            log_add=True,
            criterion_type=module.CriterionType.CTC,
        )
        tokens = self._vocabulary.tokens
        separator = self._vocabulary.separator
        place = tokens.index(separator) if separator in tokens else self._vocabulary.blank
        return module.LexiconFreeDecoder(options, module.ZeroLM(), place, self._vocabulary.blank, [])


def search_prefixes(
    scores: NDArray[np.float32], blank: int, beam_width: int, threshold: float = flashlight_text.BEAM_THRESHOLD
) -> list[int]:
    """Tokens of the best text of `scores` (frames, tokens), repeats merged and blanks removed.

    A hypothesis is (text, token of its last frame) -> log-probability. Texts are numbers: `texts[n]` is the text that n
    continues, with the token it adds, so that equal texts have one number.
    """
    texts: list[tuple[int, int]] = [(0, blank)]
    number: dict[tuple[int, int], int] = {}
    beam: dict[tuple[int, int], float] = {(0, blank): 0.0}
    rows, columns = np.nonzero(scores > IMPOSSIBLE / 2)
    bounds = np.searchsorted(rows, np.arange(len(scores) + 1)).tolist()
    followed, values = columns.tolist(), scores[rows, columns].tolist()
    for frame in range(len(scores)):
        span = slice(bounds[frame], bounds[frame + 1])
        pairs = list(zip(followed[span], values[span], strict=True))
        grown: dict[tuple[int, int], float] = {}
        for (text, last), score in beam.items():
            for token, value in pairs:
                longer = text
                if token not in (blank, last):
                    step = (text, token)
                    if step not in number:
                        number[step] = len(texts)
                        texts.append(step)
                    longer = number[step]
                _add(grown, (longer, token), score + value)
        beam = _pruned(grown, beam_width, threshold)
    totals: dict[tuple[int, int], float] = {}
    for (text, _), score in beam.items():
        _add(totals, (text, blank), score)
    return _spell(texts, max(totals, key=totals.__getitem__)[0])


def _add(hypotheses: dict[tuple[int, int], float], key: tuple[int, int], score: float) -> None:
    """Add a path's probability to a hypothesis; both are logarithms."""
    before = hypotheses.get(key)
    if before is None:
        hypotheses[key] = score
    elif before > score:
        hypotheses[key] = before + math.log1p(math.exp(score - before))
    else:
        hypotheses[key] = score + math.log1p(math.exp(before - score))


def _pruned(hypotheses: dict[tuple[int, int], float], width: int, threshold: float) -> dict[tuple[int, int], float]:
    least = max(hypotheses.values()) - threshold
    kept = [item for item in hypotheses.items() if item[1] >= least]
    if len(kept) > width:
        kept.sort(key=lambda item: item[1], reverse=True)
        del kept[width:]
    return dict(kept)


def _spell(texts: list[tuple[int, int]], text: int) -> list[int]:
    """The tokens of a numbered text."""
    tokens = []
    while text:
        text, token = texts[text]
        tokens.append(token)
    return tokens[::-1]
