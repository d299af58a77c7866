"""How shown words change until the final text."""

from __future__ import annotations

from dataclasses import dataclass

from live_replay import Replay
from spoken_streams import Stream

from w2v_studio.recognition.updates import FinalUpdate, PartialUpdate


def replaced_words(before: list[str], after: list[str]) -> int:
    """Words of `before` that are not there any more in `after`, which may go on behind them: the least edits that
    make `before` a beginning of `after`.
    """
    row = list(range(len(after) + 1))
    for place, word in enumerate(before, 1):
        new = [place]
        for other, candidate in enumerate(after, 1):
            new.append(min(row[other] + 1, new[other - 1] + 1, row[other - 1] + (word != candidate)))
        row = new
    return min(row)


def revisions(played: Replay, *, settled_only: bool) -> int:
    """Revised words of all segments: from each display to the next."""
    count = 0
    for final in played.of_kind(FinalUpdate):
        shown: list[str] = []
        for _, settled, still_open in played.displays(final.segment):
            new = (settled if settled_only else f"{settled} {still_open}").split()
            count += replaced_words(shown, new)
            shown = new
    return count


def last_committed(played: Replay, segment: int) -> list[str]:
    partials = [update for update in played.of_kind(PartialUpdate) if update.segment == segment]
    return partials[-1].committed.split() if partials else []


def final_changes(played: Replay) -> tuple[int, int]:
    """Segments whose final text changes committed words, and all segments."""
    finals = played.of_kind(FinalUpdate)
    changed = sum(replaced_words(last_committed(played, f.segment), f.text.split()) > 0 for f in finals)
    return changed, len(finals)


@dataclass(frozen=True)
class Committed:
    """(wanted, found) texts of each utterance: committed words with those still open at its end, and final ones."""

    committed: list[tuple[str, str]]
    final: list[tuple[str, str]]
    delays_s: list[float]
    changed: int
    segments: int


def committed_error(played: Replay, stream: Stream) -> Committed:
    """`delays_s` are from the end of a word to its commitment before the final text."""
    committed, final, delays = [], [], []
    for group in stream.groups:
        wanted = " ".join(word.word for word in group)
        start_s, end_s = group[0].start_s, group[-1].end_s
        own = [f for f in played.of_kind(FinalUpdate) if f.start_s < end_s and f.end_s > start_s + 0.1]
        final.append((wanted, " ".join(f.text for f in own)))
        settled: list[str] = []
        for f in own:
            partials = [update for update in played.of_kind(PartialUpdate) if update.segment == f.segment]
            if partials:
                # Without the decode in advance of the end, whose words are those of the final text.
                before = partials[-2] if len(partials) > 1 else partials[-1]
                settled += f"{before.committed} {before.unstable}".split()
            seen = 0
            for shown_s, text, still_open in played.displays(f.segment):
                count = len(text.split())
                if still_open or shown_s < end_s:
                    for place in range(seen, min(count, len(f.words))):
                        delays.append(max(0.0, shown_s - f.words[place].end_s))
                    seen = max(seen, count)
        committed.append((wanted, " ".join(settled)))
    changed, segments = final_changes(played)
    return Committed(committed, final, delays, changed, segments)
