"""The terms on hand-made events whose times can be read off, and the virtual clock."""

from pathlib import Path

import numpy as np
import pytest

from engine.text.ctc import Word
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.evaluation.latency import Latencies, percentiles
from w2v_studio.evaluation.replay import Event, Player, Replay, as_played
from w2v_studio.recognition.live import FinalUpdate, PartialUpdate, SpeechUpdate
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import transcribe

SAMPLE = Path(__file__).resolve().parents[3] / "resources" / "samples" / "digits-jackson.flac"
SAID = [Word("ONE", 1.0, 1.4, 1.0), Word("TWO", 1.6, 2.0, 1.0), Word("SIX", 2.2, 2.6, 1.0)]


def final(segment, text):
    return FinalUpdate(segment, text, [Word(word, 0, 0, 1.0) for word in text.split()], 0.0, 3.0)


def measured(*events):
    latencies = Latencies()
    latencies.add(Replay(tuple(Event(*event) for event in events), 4.0, 1.0), SAID)
    return latencies


def test_every_term_by_hand():
    found = measured(
        (SpeechUpdate(True, 0.9), 1.1, 1.1),
        (PartialUpdate(0, "", "WON"), 1.5, 1.55),
        (PartialUpdate(0, "", "ONE TOO"), 1.8, 1.9),
        (PartialUpdate(0, "ONE", "TWO"), 2.1, 2.2),
        (PartialUpdate(0, "ONE", "TWO SICK"), 2.7, 2.75),
        (SpeechUpdate(False, 2.6), 3.0, 3.04),
        (final(0, "ONE TWO SIX"), 3.0, 3.04),
    )
    assert found.first_word_s == [pytest.approx(1.9 - 1.4)]
    assert found.user_perceived_s == pytest.approx([1.9 - 1.4, 2.2 - 2.0, 3.04 - 2.6])
    assert found.commit_s == pytest.approx([2.2 - 1.4, 3.04 - 2.0, 3.04 - 2.6])
    assert found.endpoint_delay_s == [pytest.approx(3.0 - 2.6)]
    assert found.finalisation_s == [pytest.approx(0.04)]
    assert found.ready_in_advance == 1.0
    assert (found.revised_words, found.final_words, found.stability) == (3, 3, 1.0)  # WON, TOO, SICK
    assert found.committed_stability == 0.0
    assert found.load == 0.25


def test_a_word_that_is_never_right_does_not_count_and_a_changed_committed_word_is_told():
    found = measured(
        (PartialUpdate(0, "ONE TOO", ""), 2.1, 2.1),
        (final(0, "ONE DO SIX"), 3.0, 3.0),
    )
    assert found.user_perceived_s == pytest.approx([2.1 - 1.4, 3.0 - 2.6])
    assert found.committed_stability == pytest.approx(1 / 3)


def test_a_cut_of_a_long_segment_takes_nothing_back():
    found = measured(
        (PartialUpdate(0, "ONE", "TWO SIX"), 2.7, 2.7),
        (final(0, "ONE"), 3.0, 3.0),
        (PartialUpdate(1, "", "TWO SIX"), 3.0, 3.0),
        (final(1, "TWO SIX"), 3.5, 3.5),
    )
    assert (found.revised_words, found.final_words) == (0, 3)


def test_a_word_on_the_screen_before_it_is_said_is_a_guess_at_another():
    found = measured((PartialUpdate(0, "", "ONE TWO SIX"), 1.5, 1.5), (final(0, "ONE TWO SIX"), 3.0, 3.0))
    assert found.user_perceived_s == pytest.approx([1.5 - 1.4, 3.0 - 2.0, 3.0 - 2.6])


def test_a_second_end_without_a_word_between_counts_once():
    found = measured((SpeechUpdate(False, 2.7), 3.0, 3.0), (SpeechUpdate(False, 3.4), 3.8, 3.8))
    assert found.endpoint_delay_s == [pytest.approx(0.4)]


def test_percentiles():
    assert percentiles(range(101)).p90 == 90
    assert percentiles(range(101)).n == 101
    assert np.isnan(percentiles([]).p50)


@pytest.fixture(scope="module")
def english():
    return Recognizer(default_bundle(), "cpu", threads=1)


@pytest.fixture(scope="module")
def sound():
    return as_played(read_audio(SAMPLE))


class SlowTimer:
    """A clock that goes on by so much whenever it is asked."""

    def __init__(self, step_s):
        self.step_s, self.now_s = step_s, 0.0

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s


def test_without_computing_time_updates_show_when_their_sound_is_there(english, sound):
    replay = Player(english, compute_aware=False).play(sound)
    assert replay.text == transcribe(english, sound, cut="pauses").text != ""
    for event in replay.events:
        assert event.shown_s == event.began_s
        blocks = event.began_s * 16000 / 512
        assert blocks == pytest.approx(round(blocks)) or event.began_s == len(sound) / 16000
    again = Player(english, compute_aware=False).play(sound)
    assert again.events == replay.events  # nothing of it depends on this machine


def test_a_machine_that_is_too_slow_falls_behind_and_says_the_same_in_the_end(english, sound):
    timer = SlowTimer(0.02)
    replay = Player(english, compute_aware=True, timer=timer).play(sound)
    quick = Player(english, compute_aware=False).play(sound)
    assert replay.text == quick.text
    # Each block of 32 ms takes more than 32 ms: the last word waits for all the work before it.
    assert replay.busy_s > 1.2 * replay.audio_s
    work_per_sound = replay.busy_s / replay.audio_s
    assert replay.events[-1].shown_s == pytest.approx(work_per_sound * quick.events[-1].shown_s, rel=0.15)
    shown = [event.shown_s for event in replay.events]
    assert shown == sorted(shown)
    assert all(event.shown_s > event.began_s for event in replay.events)
