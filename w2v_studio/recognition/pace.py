"""How often partial texts are made and how much they see, so that a machine of any speed keeps up.

a decode takes long      longer hop: 1.5 x its time, up to max_hop_ms
still too long           shorter window: 8, 4, 2 s
2 s behind nevertheless  a warning, and no partial texts until it has caught up; final texts go on, nothing is dropped

Only partial texts depend on this. Final texts are the same on every machine.
"""

from __future__ import annotations

from w2v_studio.recognition.live_settings import LiveSettings
from w2v_studio.recognition.updates import SlowUpdate

HOP_PER_DECODE = 1.5
"""Hop over the time of a decode: a third of the time stays free for the rest."""
WINDOW_STEPS_S = (2.0, 4.0, 8.0)
"""Windows of partial decodes; the settings' own is the longest in use."""
ROOM_TO_GROW = 0.5
"""The window grows again when a decode of the longer one would need at most this share of the longest hop's time."""
BEHIND_S = 2.0
"""So far behind the sound, the machine is too slow."""
CAUGHT_UP_S = 0.5
"""So near to it again, it is not."""
LOAD_FADE_S = 5.0
"""Over about how much sound the load is averaged."""


class Pace:
    """Follows the time that recognition takes. Without `settings.adaptive_hop` it stays at the settings."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self._steps = [*(step for step in WINDOW_STEPS_S if step < settings.window_s), settings.window_s]
        self.reset()

    def reset(self) -> None:
        """A new stream: what was learned about the machine's speed is kept, the backlog is not."""
        if not hasattr(self, "hop_s"):
            self.hop_s = self._settings.hop_ms / 1000
            self.window_s = self._settings.window_s
            self.decode_s = 0.0
            """Time of the last partial decode."""
        self.behind_s = 0.0
        self.is_slow = False
        self._busy_s = self._heard_s = 0.0

    @property
    def load(self) -> float:
        """Processing time over sound, over about the last five seconds of sound."""
        return self._busy_s / self._heard_s if self._heard_s else 0.0

    def decoded(self, took_s: float, seen_s: float) -> None:
        """A partial decode of `seen_s` seconds took `took_s`."""
        if not self._settings.adaptive_hop:
            return
        self.decode_s = took_s
        longest = self._settings.max_hop_ms / 1000
        wanted = HOP_PER_DECODE * took_s
        if wanted > longest:
            self.window_s = max([step for step in self._steps if step < seen_s], default=self._steps[0])
        else:
            longer = next((step for step in self._steps if step > self.window_s), None)
            if longer is not None and seen_s > 0 and wanted * longer / seen_s <= ROOM_TO_GROW * longest:
                self.window_s = longer
        self.hop_s = min(longest, max(self._settings.hop_ms / 1000, wanted))

    def fits(self, milliseconds: float) -> bool:
        """Whether a partial decode is likely to be done in that time."""
        return 1000 * self.decode_s <= milliseconds

    def heard(self, audio_s: float, busy_s: float, *, in_speech: bool = False) -> SlowUpdate | None:
        """That much sound was taken in and needed so much time; tells when the machine begins or ends to be too slow.

        As sound arrives at its own speed, a backlog grows by what processing exceeds it. `in_speech` it is not called
        caught up: the next final text may well take longer than it lasts.
        """
        if not self._settings.adaptive_hop:
            return None
        fade = 0.5 ** (audio_s / (LOAD_FADE_S / 2))
        self._busy_s = self._busy_s * fade + busy_s
        self._heard_s = self._heard_s * fade + audio_s
        self.behind_s = max(0.0, self.behind_s + busy_s - audio_s)
        if not self.is_slow and self.behind_s >= BEHIND_S:
            self.is_slow = True
        elif self.is_slow and self.behind_s <= CAUGHT_UP_S and not in_speech:
            self.is_slow = False
        else:
            return None
        return SlowUpdate(self.is_slow, self.behind_s, self.load, self._reason() if self.is_slow else "")

    def _reason(self) -> str:
        return (
            f"This machine is too slow for this model: a second of sound takes {self.load:.1f} s. Words come late, "
            f"a sentence at a time; no sound is lost. Close other programs, or choose a smaller model."
        )
