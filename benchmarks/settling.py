"""How shown words change until the final text."""

from __future__ import annotations

from dataclasses import dataclass

from live_replay import Replay
from spoken_streams import Stream
from word_changes import replaced_words

from engine.text.ctc import Word
from w2v_studio.recognition.updates import FinalUpdate, PartialUpdate


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
    """Words committed before the final decode, and how many of them, and of as many first words of the final text,
    are wrong. `delays_s` are from the end of a word to its commitment.
    """

    words: int
    wrong: int
    wrong_in_final: int
    delays_s: list[float]
    changed: int
    segments: int


def committed_error(played: Replay, stream: Stream) -> Committed:
    """Over all segments of a stream whose words are known."""
    words = wrong = wrong_in_final = 0
    delays: list[float] = []
    for final in played.of_kind(FinalUpdate):
        wanted = [word.word for group in stream.groups for word in group if _is_inside(word, final)]
        displays = played.displays(final.segment)[:-1]
        # The last partial text may come from the decode that also made the final text.
        committed = displays[-2][1].split() if len(displays) > 1 else []
        words += len(committed)
        wrong += replaced_words(committed, wanted)
        wrong_in_final += replaced_words([word.word for word in final.words][: len(committed)], wanted)
        seen = 0
        for shown_s, text, _ in displays[:-1]:
            count = len(text.split())
            delays += [max(0.0, shown_s - word.end_s) for word in final.words[seen:count]]
            seen = max(seen, count)
    changed, segments = final_changes(played)
    return Committed(words, wrong, wrong_in_final, delays, changed, segments)


def _is_inside(word: Word, final: FinalUpdate) -> bool:
    return final.start_s <= (word.start_s + word.end_s) / 2 < final.end_s
