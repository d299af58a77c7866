"""How late words come, in the terms of streaming recognition; all in seconds.

first-word latency      end of the first word of a recording -> it is shown for the first time
user-perceived latency  the same for each word: its end -> it is shown right for the first time
commit latency          the end of a word -> it is shown as committed (it stays while the segment runs)
endpoint delay          end of the last word -> the end of speech is noticed
finalisation latency    the end of speech is noticed -> the final text is there
stability               words that are taken back or changed, for each final word
live load               time of the work for a second of sound

Ends of words come from forced alignment of the reference. CTC models place letters near the middle of their sound, so
that these ends are some ten milliseconds early and latencies as much too long. Words that are never right do not count.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.text.ctc import Word
from w2v_studio.evaluation.replay import Replay
from w2v_studio.evaluation.word_alignment import matches, revised
from w2v_studio.recognition.updates import FinalUpdate, LiveUpdate, PartialUpdate, SpeechUpdate

AT_ONCE_S = 0.05
"""A final text this soon after the end of speech was ready in advance."""


@dataclass(frozen=True)
class Percentiles:
    """Of `n` measurements, in seconds; nan where there are none."""

    p50: float
    p90: float
    p95: float
    p99: float
    n: int


@dataclass
class Latencies:
    """Measurements of many recordings; `add` one after the other."""

    first_word_s: list[float] = field(default_factory=list)
    user_perceived_s: list[float] = field(default_factory=list)
    commit_s: list[float] = field(default_factory=list)
    endpoint_delay_s: list[float] = field(default_factory=list)
    finalisation_s: list[float] = field(default_factory=list)
    revised_words: int = 0
    revised_committed_words: int = 0
    final_words: int = 0
    busy_s: float = 0.0
    audio_s: float = 0.0

    @property
    def stability(self) -> float:
        """Revised words for each final word."""
        return self.revised_words / max(1, self.final_words)

    @property
    def committed_stability(self) -> float:
        """Committed words that the final text has otherwise, for each final word."""
        return self.revised_committed_words / max(1, self.final_words)

    @property
    def load(self) -> float:
        """Time of the work over time of the sound."""
        return self.busy_s / self.audio_s if self.audio_s else 0.0

    @property
    def ready_in_advance(self) -> float:
        """Share of final texts that were there at once; nan without any."""
        return float(np.mean(np.array(self.finalisation_s) <= AT_ONCE_S)) if self.finalisation_s else float("nan")

    def add(self, replay: Replay, reference: Sequence[Word]) -> None:
        """Measure a replay; `reference` are the words said, with times on the replay's clock; empty if unknown."""
        self.busy_s += replay.busy_s
        self.audio_s += replay.audio_s
        self._add_words(replay, reference)
        self._add_endpoints(replay, reference)

    def _add_words(self, replay: Replay, reference: Sequence[Word]) -> None:
        wanted = [word.word for word in reference]
        shown_s: dict[int, float] = {}
        committed_s: dict[int, float] = {}
        screen = Screen()
        for began_s, group in itertools.groupby(replay.events, lambda event: event.began_s):
            events = list(group)
            if not screen.take([event.update for event in events]):
                continue
            for texts, times in ((screen.shown, shown_s), (screen.committed, committed_s)):
                for place in matches(wanted, texts):
                    # What shows a word before it is said has guessed another one.
                    if began_s > reference[place].start_s:
                        times.setdefault(place, events[-1].shown_s)
        self.revised_words += screen.revised
        self.revised_committed_words += screen.revised_committed
        self.final_words += len(screen.final)
        delays = {place: time_s - reference[place].end_s for place, time_s in shown_s.items()}
        self.user_perceived_s += delays.values()
        self.commit_s += [time_s - reference[place].end_s for place, time_s in committed_s.items()]
        if 0 in delays:
            self.first_word_s.append(delays[0])

    def _add_endpoints(self, replay: Replay, reference: Sequence[Word]) -> None:
        ended = 0
        for place, event in enumerate(replay.events):
            if not isinstance(event.update, SpeechUpdate) or event.update.is_speech:
                continue
            said = sum(word.start_s < event.update.time_s for word in reference)
            if said > ended:
                self.endpoint_delay_s.append(event.began_s - reference[said - 1].end_s)
                ended = said
            following = replay.events[place + 1 :][:1]
            if following and isinstance(following[0].update, FinalUpdate):
                self.finalisation_s.append(following[0].shown_s - event.began_s)


class Screen:
    """What a reader sees: final texts, and the running one."""

    def __init__(self) -> None:
        self.final: list[str] = []
        self._running: list[str] = []
        self._running_committed: list[str] = []
        self.revised = self.revised_committed = 0

    @property
    def shown(self) -> list[str]:
        """All words on the screen."""
        return self.final + self._running

    @property
    def committed(self) -> list[str]:
        """Those that will not change while the segment runs."""
        return self.final + self._running_committed

    def take(self, updates: Sequence[LiveUpdate]) -> bool:
        """What one block of sound changed: whether the words changed; counts what was taken back."""
        before, committed_before, settled = self._running, self._running_committed, len(self.final)
        is_changed = False
        for update in updates:
            if isinstance(update, PartialUpdate):
                self._running_committed = update.committed.split()
                self._running = self._running_committed + update.unstable.split()
                is_changed = True
            elif isinstance(update, FinalUpdate):
                # Where a long segment was cut, the rest follows in the same block as text of the next one.
                self.final += update.text.split()
                self._running = self._running_committed = []
                is_changed = True
        self.revised += revised(before, self.shown[settled:])
        self.revised_committed += revised(committed_before, self.shown[settled:])
        return is_changed


def percentiles(values: Sequence[float]) -> Percentiles:
    """The percentiles of reports."""
    if not values:
        nan = float("nan")
        return Percentiles(nan, nan, nan, nan, 0)
    p50, p90, p95, p99 = (float(value) for value in np.quantile(values, (0.5, 0.9, 0.95, 0.99)))
    return Percentiles(p50, p90, p95, p99, len(values))
