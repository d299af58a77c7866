"""The recogniser thread's worker, driven directly."""

from pathlib import Path

import numpy as np
import pytest

from w2v_studio.audio.files import read_audio
from w2v_studio.dictation.sample_queue import SampleQueue
from w2v_studio.dictation.scope import Scope
from w2v_studio.dictation.view import DictationView
from w2v_studio.dictation.worker import Transcriber
from w2v_studio.recognition.live import LiveRecognizer
from w2v_studio.recognition.voice_activity import VoiceActivity
from w2v_studio.theme import Theme

CLIP = Path(__file__).parents[3] / "resources" / "samples" / "digits-jackson.flac"


@pytest.fixture
def transcriber(qapp, loaded, sample_queue):
    worker = Transcriber(Scope(), sample_queue)
    worker.load(str(loaded.recognizer.bundle.folder), "cpu", "greedy")
    return worker


@pytest.fixture
def sample_queue():
    return SampleQueue()


class SlowClock:
    """Every look at the clock finds 0.1 s gone: each block of 32 ms seems to take longer than it lasts."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.1
        return self.now


def test_slowness_is_told_once_and_taken_back_by_the_next_stream(qtbot, transcriber, sample_queue, loaded):
    told = []
    transcriber.slow_changed.connect(told.append)
    transcriber._live = LiveRecognizer(loaded.recognizer, VoiceActivity(), clock=SlowClock())
    transcriber.begin()
    assert told == []
    sample_queue.put(np.zeros(64_000, np.float32))
    sample_queue.close()
    while transcriber._in_stream:
        transcriber.take()
    assert len(told) == 1
    assert "too slow for this model" in told[0]
    transcriber.begin()
    assert told[1:] == [""]


@pytest.mark.parametrize("is_shown", [True, False])
def test_codes_are_computed_only_while_somebody_looks(transcriber, sample_queue, is_shown):
    transcriber.show_codes(is_shown)
    transcriber.begin()
    sample_queue.put(read_audio(CLIP))
    sample_queue.close()
    while transcriber._in_stream:
        transcriber.take()
    assert (len(transcriber._scope.snapshot().code_ids) > 0) == is_shown


def test_the_view_shows_the_warning_and_forgets_it(qtbot, loaded, settings):
    view = DictationView(loaded, Theme("light"), settings)
    qtbot.addWidget(view)
    loaded.slow_changed.emit("This machine is too slow for this model.")
    assert view.model_notice.text == "This machine is too slow for this model."
    loaded.slow_changed.emit("")
    assert view.model_notice.text == ""
