"""Looks at a run's numbers for the ways in which wav2vec 2.0 is known to fail while its loss looks well.

A finding is one sentence with evidence and remedy, told once per episode: again only after the sign was gone.

| sign                             | why it is one                                                                     |
|----------------------------------|-----------------------------------------------------------------------------------|
| codebook collapsed               | one code for all targets: loss 0, accuracy 1, no gradient (reference, section 12) |
| distractors equal to the target  | they are left out, so the loss is near 0 and teaches nothing                      |
| accuracy at chance after warm-up | the contexts say nothing about the targets                                        |
| gradient norm out of its band    | by median and median absolute deviation, which one outlier does not move          |
| blanks only, in fine-tuning      | CTC starts so; after warm-up and unfreezing it should write                       |
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.config import RunConfig
from engine.events import Step

COLLAPSED = 1.05
"""Code perplexity per codebook below which it has collapsed; one code in use gives 1."""
RECOVERED = 1.5
"""Code perplexity per codebook above which a collapse is over."""
IDENTICAL = 0.5
"""Share of distractors equal to the target from which the loss is an illusion."""
NEAR_CHANCE = 0.04
"""Accuracy that has come less than this far from guessing to certainty is at chance."""
CHANCE_UNKNOWN = 0.5
"""Where guessing is right that often, nearly all distractors are equal: another sign tells."""
BLANK = 0.005
"""Share of frames with a letter below which a model writes blanks only."""
WINDOW_SHARE, WINDOW_LEAST, WINDOW_MOST = 0.02, 50, 500
"""Updates looked at together: a share of the run, within bounds."""
NORMS_KEPT, NORMS_LEAST = 200, 30
"""Gradient norms that make up the band, and how many it takes to have one."""
BAND_DEVIATIONS = 4.0
BAND_FACTOR = 10.0
"""Half the band, in deviations of the norm's logarithm; at least this factor up and down."""
BACK_IN_BAND = 20
"""Updates in the band after which an excursion is over."""
CLIPS_NAMED = 4


def is_collapsed(code_perplexity: float | None, run: RunConfig) -> bool:
    """Whether practically one code is in use: the loss goes to 0 and the accuracy to 1, and nothing is learned."""
    return code_perplexity is not None and code_perplexity < COLLAPSED * run.model.codebook_groups


def named_clips(clips: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(clips) - CLIPS_NAMED} more" if len(clips) > CLIPS_NAMED else ""
    return ", ".join(clips[:CLIPS_NAMED]) + more


@dataclass
class Episode:
    """Turns a sign that lasts into one message."""

    running: bool = False

    def begins(self, present: bool, over: bool | None = None) -> bool:
        """Whether the sign has just appeared; `over` (else its absence) ends it."""
        if self.running:
            self.running = not ((not present) if over is None else over)
            return False
        self.running = present
        return present


@dataclass
class Window:
    """Sums over the last `updates` updates, added in pieces."""

    updates: int
    _pieces: deque[tuple[int, Mapping[str, float]]] = field(default_factory=deque)

    def add(self, updates: int, sums: Mapping[str, float]) -> None:
        """One piece more; those no longer needed go."""
        self._pieces.append((updates, sums))
        while sum(count for count, _ in self._pieces) - self._pieces[0][0] >= self.updates:
            self._pieces.popleft()

    def clear(self) -> None:
        """Forget all."""
        self._pieces.clear()

    @property
    def full(self) -> bool:
        """Whether it covers as many updates as it should."""
        return self.covered >= self.updates

    @property
    def covered(self) -> int:
        """Updates in it."""
        return sum(count for count, _ in self._pieces)

    def total(self, name: str) -> float:
        """The sum of one measure."""
        return sum(sums[name] for _, sums in self._pieces)


class NormBand:
    """What a run's gradient norms have been: the median of the last ones and how far they lie from it (logarithms)."""

    def __init__(self) -> None:
        self._logs: deque[float] = deque(maxlen=NORMS_KEPT)
        self._inside = 0
        self._episode = Episode()

    def limits(self) -> tuple[float, float, float] | None:
        """Lowest, median and highest expected norm; None while too few are known."""
        if len(self._logs) < NORMS_LEAST:
            return None
        median = statistics.median(self._logs)
        deviation = 1.4826 * statistics.median(abs(value - median) for value in self._logs)
        half = max(BAND_DEVIATIONS * deviation, math.log(BAND_FACTOR))
        return math.exp(median - half), math.exp(median), math.exp(median + half)

    def examine(self, norm: float) -> tuple[float, float, float] | None:
        """The limits, where `norm` has just left them; it then counts among the norms."""
        band = self.limits()
        outside = band is not None and not band[0] <= norm <= band[2]
        self._inside = 0 if outside else self._inside + 1
        begins = self._episode.begins(outside, self._inside >= BACK_IN_BAND)
        if norm > 0 and math.isfinite(norm):
            self._logs.append(math.log(norm))
        return band if begins else None


class Doctor:
    """Watches one run. Give it every update's norm and every step event with its signs; it gives messages."""

    def __init__(self, run: RunConfig) -> None:
        self._run = run
        updates = round(WINDOW_SHARE * run.loop.updates)
        self._window = Window(min(WINDOW_MOST, max(WINDOW_LEAST, updates)))
        self._band = NormBand()
        self._collapse, self._identical, self._chance, self._blanks = (Episode() for _ in range(4))
        self._trained_from = run.optimizer.warmup * run.loop.updates + (
            run.ctc.freeze_updates if run.task == "finetune" else 0
        )

    def examine_update(self, step: int, norm: float, clips: Sequence[str]) -> list[str]:
        """What the gradient norm of update `step` tells; `clips` were in it."""
        band = self._band.examine(norm)
        if band is None:
            return []
        lowest, median, highest = band
        high = norm > highest
        if not high and self._run.task == "finetune":
            # An update of short clips that it knows, such as single words, has little to learn from. Nothing is wrong.
            return []
        remedy = (
            "lower optimizer.peak_lr, set optimizer.clip_norm to a little above the median, or look at these clips"
            if high
            else "the loss may be 0 for a wrong reason: look at accuracy and code perplexity"
        )
        return [
            f"the gradient norm of update {step} is {norm:.3g}, {'above' if high else 'below'} its band of "
            f"{lowest:.3g} to {highest:.3g} (median {median:.3g}), with {named_clips(clips)}: {remedy}"
        ]

    def examine(self, event: Step, signs: Mapping[str, float], updates: int, count: int) -> list[str]:
        """What a step event over `updates` updates and `count` masked frames (sentences) tells, with its signs."""
        if self._run.task == "finetune":
            return self._examine_writing(event, signs, updates)
        if self._run.objective.spectra:
            return []
        found = [*self._examine_codes(event, signs, count)]
        if event.step <= self._trained_from or event.accuracy is None:
            return found
        self._window.add(updates, {"right": event.accuracy * count, "frames": count, **signs})
        frames = self._window.total("frames")
        accuracy, chance = self._window.total("right") / frames, self._window.total("chance") / frames
        at_chance = self._window.full and chance < CHANCE_UNKNOWN and accuracy < chance + NEAR_CHANCE * (1 - chance)
        if self._chance.begins(at_chance):
            found.append(
                f"the contrastive accuracy is at chance: {accuracy:.2%} over the last {self._window.covered} updates "
                f"({frames:.0f} masked frames), where guessing gives {chance:.2%} and the warm-up is over; lower "
                "optimizer.peak_lr, put more audio into an update (loop.accumulate), and listen to the data: it must "
                "be speech at its right rate (w2v-engine check)"
            )
        return found

    def _examine_codes(self, event: Step, signs: Mapping[str, float], count: int) -> list[str]:
        found = []
        groups = self._run.model.codebook_groups
        perplexity = event.code_perplexity
        over = perplexity is not None and perplexity > RECOVERED * groups
        if self._collapse.begins(is_collapsed(perplexity, self._run), over):
            found.append(
                f"the codebook has collapsed: code perplexity {perplexity:.2f} means that one code "
                "stands for everything, so a loss near 0 means nothing; begin again with a lower optimizer.peak_lr, "
                "more audio in an update (loop.batch_s, loop.accumulate) or objective.center_codes=true"
            )
        identical = signs["identical"] / max(count, 1)
        # a collapse has said it already
        if self._identical.begins(identical > IDENTICAL, identical < IDENTICAL / 2) and not self._collapse.running:
            found.append(
                f"the contrastive loss of {event.contrastive_loss or 0.0:.3f} is an illusion: {identical:.0%} of the "
                f"distractors equal their target and are left out (code perplexity {perplexity or 0.0:.1f}); look for "
                "silent, constant or repeated audio (w2v-engine check), raise data.min_s, or begin again with a lower "
                "optimizer.peak_lr"
            )
        return found

    def _examine_writing(self, event: Step, signs: Mapping[str, float], updates: int) -> list[str]:
        if event.step <= self._trained_from:
            return []
        self._window.add(updates, signs)
        frames = max(self._window.total("frames"), 1.0)
        written, labels = self._window.total("written") / frames, self._window.total("labels") / frames
        stuck = self._window.full and written < min(BLANK, labels / 2)
        if not self._blanks.begins(stuck):
            return []
        return [
            f"the model writes blanks only: {written:.2%} of the frames of the last {self._window.covered} updates "
            f"bear a letter, the transcripts have {labels:.1%} letters per frame; raise optimizer.peak_lr or "
            "loop.updates, start from pre-trained weights (--from), and check that the transcripts belong to the audio "
            "(w2v-engine check)"
        ]
