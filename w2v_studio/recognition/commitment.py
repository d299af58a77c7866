"""Which words of the running segment are certain enough to never change again on the screen.

A word is committed when two successive decodes give it at the same place in the row of words, and it ended at least
the commit distance before the newest audio; one that is not sure has to wait longer, as the words behind it may yet
tell. Nothing but blanks and separators can lie between its end and that edge
or the next word, so it is also complete. Committed words are matched against each new decode by time and by text, as
the words' times move by a few frames from decode to decode and the window slides away beneath them.
"""

from __future__ import annotations

from engine.text.ctc import Word, text_of

MATCHED_WORDS = 5
"""Committed words compared at most to find their end in a new decode."""
MATCH_REACH = 3
"""How many words off the place found by time that end may be."""
MATCH_TOLERANCE_S = 0.4
"""A word that moved so far between decodes is as unlike as one that reads differently twice over."""
UNMATCHED_COST = 1.5
"""Of taking none of the words for a committed one, though their window has the last of these in it."""
TIE_COST = 0.05
"""For each word that the match by words differs from the match by time alone."""
SEAM_S = 0.1
"""A word that begins so near to the start of a window may have been cut by it."""
CUT_S = 0.04
"""One that begins even nearer to it is not expected to be read again."""
END_TOLERANCE_S = 0.08
"""How far the end of a cut word may move."""


class CommitRule:
    """Committed words and the unstable ones after them. Times are seconds of the stream.

    Words of less than the confidence `sure` are committed `patience_s` before the newest audio, if that is longer than
    `distance_s`.
    """

    def __init__(self, distance_s: float, sure: float = 0.0, patience_s: float = 0.0) -> None:
        self._distance_s, self._sure, self._patience_s = distance_s, sure, max(distance_s, patience_s)
        self.committed: list[Word] = []
        self.unstable: list[Word] = []

    @property
    def texts(self) -> tuple[str, str]:
        """(committed, unstable) as text."""
        return text_of(self.committed), text_of(self.unstable)

    def update(
        self,
        words: list[Word],
        edge_s: float,
        leaving_s: float = 0.0,
        start_s: float = 0.0,
        *,
        goes_on: bool = False,
    ) -> None:
        """Take the words of a new decode whose newest frame ends at `edge_s`.

        Words that end before `leaving_s` are committed as they are: the window is about to leave them behind. So are
        the unstable words of the last decode that begin before this window, `start_s`: it cuts them, or has none of
        them. A decode that `goes_on` behind the committed words has none of these in it.
        """
        self.leave(start_s)
        tail = words if goes_on else words[self._committed_count(words, start_s) :]
        agreed = 0
        while agreed < min(len(tail), len(self.unstable)) and tail[agreed].word == self.unstable[agreed].word:
            agreed += 1
        count = 0
        for place, word in enumerate(tail):
            distance_s = self._distance_s if word.confidence >= self._sure else self._patience_s
            is_settled = place < agreed and word.end_s <= edge_s - distance_s
            if not is_settled and word.end_s > leaving_s:
                break
            count += 1
        self.committed += tail[:count]
        self.unstable = tail[count:]

    def split(self, time_s: float) -> CommitRule:
        """Hand over the words that begin at or after `time_s` to the rule of a segment that begins there."""
        later = CommitRule(self._distance_s, self._sure, self._patience_s)
        later.committed = [word for word in self.committed if word.start_s >= time_s]
        later.unstable = [word for word in self.unstable if word.start_s >= time_s]
        self.committed = [word for word in self.committed if word.start_s < time_s]
        self.unstable = [word for word in self.unstable if word.start_s < time_s]
        return later

    def leave(self, start_s: float) -> None:
        """Commit the unstable words that begin before a window that begins at `start_s`."""
        gone = sum(word.start_s < start_s + CUT_S for word in self.unstable) if start_s > 0 else 0
        self.committed += self.unstable[:gone]
        self.unstable = self.unstable[gone:]

    def _committed_count(self, words: list[Word], start_s: float) -> int:
        """How many of `words` are the committed ones again."""
        if not self.committed:
            return 0
        last = self.committed[-1]
        if start_s > 0 and last.start_s < start_s + SEAM_S:
            # The window begins in it or behind it: what is left of it ends where it ended.
            return sum(word.end_s <= last.end_s + END_TOLERANCE_S for word in words)
        by_time = sum((word.start_s + word.end_s) / 2 < last.end_s for word in words)
        counts = range(max(0, by_time - MATCH_REACH), min(len(words), by_time + MATCH_REACH) + 1)
        return min(counts, key=lambda count: self._distance(words, count) + TIE_COST * abs(count - by_time))

    def _distance(self, words: list[Word], count: int) -> float:
        """How unlike the first `count` of `words` are to the committed ones, looking back from the end of both."""
        pairs = list(zip(self.committed[: -MATCHED_WORDS - 1 : -1], words[:count][::-1], strict=False))
        if not pairs:
            return UNMATCHED_COST
        return sum(_pair_distance(ours, theirs) for ours, theirs in pairs) / len(pairs)


def _pair_distance(ours: Word, theirs: Word) -> float:
    """0 for the same word at the same time, 0.5 for another word there, up to 1.5 for another one elsewhere."""
    moved_s = min(abs(ours.start_s - theirs.start_s), abs(ours.end_s - theirs.end_s))
    return 0.5 * (ours.word != theirs.word) + min(1.0, moved_s / MATCH_TOLERANCE_S)
