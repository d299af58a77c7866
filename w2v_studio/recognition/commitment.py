"""Which words of the running segment are certain enough to never change again on the screen.

A word is committed when two successive decodes give it at the same place in the row of words, and it ended at least
the commit distance before the newest audio. Nothing but blanks and separators can lie between its end and that edge
or the next word, so it is also complete. Committed words are matched against each new decode by time and by text, as
the words' times move by a few frames from decode to decode and the window slides away beneath them.
"""

from __future__ import annotations

from engine.text.ctc import Word, text_of

MATCHED_WORDS = 5
"""Committed words compared at most to find their end in a new decode."""
MATCH_REACH = 3
"""How many words off the place found by time that end may be."""
SEAM_S = 0.1
"""So near to the start of a window, a word is taken for cut by it."""
MATCH_TOLERANCE_S = 0.4
"""How far the last committed word may have moved between decodes."""


class CommitRule:
    """Committed words and the unstable ones after them. Times are seconds of the stream."""

    def __init__(self, distance_s: float) -> None:
        self._distance_s = distance_s
        self.committed: list[Word] = []
        self.unstable: list[Word] = []

    @property
    def texts(self) -> tuple[str, str]:
        """(committed, unstable) as text."""
        return text_of(self.committed), text_of(self.unstable)

    def update(self, words: list[Word], edge_s: float, leaving_s: float = 0.0, start_s: float = 0.0) -> None:
        """Take the words of a new decode whose newest frame ends at `edge_s`.

        Words that end before `leaving_s` are committed as they are: the window is about to leave them behind. So are
        the unstable words of the last decode that begin before this window, `start_s`: it cuts them, or has none of
        them.
        """
        self._commit_what_is_gone(start_s)
        tail = words[self._committed_count(words, start_s) :]
        agreed = 0
        while agreed < min(len(tail), len(self.unstable)) and tail[agreed].word == self.unstable[agreed].word:
            agreed += 1
        count = 0
        for place, word in enumerate(tail):
            is_settled = place < agreed and word.end_s <= edge_s - self._distance_s
            if not is_settled and word.end_s > leaving_s:
                break
            count += 1
        self.committed += tail[:count]
        self.unstable = tail[count:]

    def split(self, time_s: float) -> CommitRule:
        """Hand over the words that begin at or after `time_s` to the rule of a segment that begins there."""
        later = CommitRule(self._distance_s)
        later.committed = [word for word in self.committed if word.start_s >= time_s]
        later.unstable = [word for word in self.unstable if word.start_s >= time_s]
        self.committed = [word for word in self.committed if word.start_s < time_s]
        self.unstable = [word for word in self.unstable if word.start_s < time_s]
        return later

    def _commit_what_is_gone(self, start_s: float) -> None:
        gone = sum(word.start_s < start_s + SEAM_S for word in self.unstable) if start_s > 0 else 0
        self.committed += self.unstable[:gone]
        self.unstable = self.unstable[gone:]

    def _committed_count(self, words: list[Word], start_s: float) -> int:
        """How many of `words` are the committed ones again."""
        if not self.committed:
            return 0
        last = self.committed[-1]
        # A later word starts after the middle of the last committed one, even if times moved by half a word.
        begun_s = (last.start_s + last.end_s) / 2
        if start_s > 0 and last.start_s < start_s + SEAM_S:
            # The window cuts it, and what is left of it may begin after its middle.
            begun_s = max(begun_s, last.end_s - SEAM_S)
        by_time = sum(word.start_s < begun_s for word in words)
        best, best_score = by_time, self._matches(words, by_time)
        for shift in range(1, MATCH_REACH + 1):
            for count in (by_time + shift, by_time - shift):
                if not 1 <= count <= len(words):
                    continue
                if abs(words[count - 1].start_s - last.start_s) > MATCH_TOLERANCE_S:
                    continue
                score = self._matches(words, count)
                if score > best_score:
                    best, best_score = count, score
        return best

    def _matches(self, words: list[Word], count: int) -> int:
        """Equal words going back from the end of the committed ones and of the first `count` of `words`."""
        score = 0
        for ours, theirs in zip(reversed(self.committed), reversed(words[:count]), strict=False):
            if ours.word != theirs.word or score == MATCHED_WORDS:
                break
            score += 1
        return score
