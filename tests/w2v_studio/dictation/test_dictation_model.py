from pathlib import Path

import numpy as np
import pytest
import soundfile

from w2v_studio.audio.devices import AudioUnavailable
from w2v_studio.audio.files import read_audio
from w2v_studio.dictation.model import DictationModel, SampleClip
from w2v_studio.dictation.store import DictationStore
from w2v_studio.recognition.live import LiveRecognizer, LiveSettings
from w2v_studio.recognition.updates import FinalUpdate
from w2v_studio.recognition.voice_activity import VoiceActivity
from w2v_studio.settings import BUNDLE

SAMPLES = Path(__file__).parents[3] / "resources" / "samples"
CLIP = SAMPLES / "digits-jackson.flac"


class EagerSource:
    """A clip in the place of a microphone, given as fast as it is taken; then it fails, ends or goes on silently."""

    overruns = 0

    def __init__(self, path: Path = CLIP, fails: bool = False, refuses: bool = False) -> None:
        self._waveform, self.rate_hz = soundfile.read(path, dtype="float32")
        self._given, self._fails, self._refuses = 0, fails, refuses
        self.is_finished = False

    def start(self) -> None:
        if self._refuses:
            raise AudioUnavailable("no microphone was found: plug one in")

    def read(self):
        piece = self._waveform[self._given : self._given + 4000]
        self._given += len(piece)
        if len(piece) == 0:
            if self._fails:
                raise AudioUnavailable("the microphone stopped; plug it in again")
            self.is_finished = True
        return piece

    def stop(self) -> None:
        self._waveform = self._waveform[: self._given]


def run(qtbot, model, source, finals=None):
    """Dictate from the source until all is kept."""
    if finals is not None:
        model.text_finalized.connect(finals.append)
    with qtbot.waitSignal(model.state_changed, timeout=60_000, check_params_cb=lambda state: state == "idle"):
        model.start_source(source)


def test_the_live_path_gives_the_words_of_the_recogniser_fed_at_once(qtbot, loaded):
    finals = []
    run(qtbot, loaded, EagerSource(), finals)
    reference = LiveRecognizer(loaded.recognizer, VoiceActivity(), LiveSettings(adaptive_hop=False))
    updates = [*reference.feed(read_audio(CLIP)), *reference.flush()]
    expected = [update for update in updates if isinstance(update, FinalUpdate) and update.text]
    assert [(final.text, final.start_s, final.end_s) for final in finals] == [
        (update.text, update.start_s, update.end_s) for update in expected
    ]
    assert len(finals) >= 3, "five digits with pauses are several segments"


def test_a_dictation_is_kept_with_its_sound_and_words(qtbot, loaded, home):
    finals = []
    with qtbot.waitSignal(loaded.recording_finished) as finished:
        run(qtbot, loaded, EagerSource(), finals)
    (kept,) = loaded.history()
    assert kept.raw_text == "\n".join(final.text for final in finals)
    assert finished.args == [str(kept.audio_path)]
    assert kept.audio_path.parent == home / "dictations"
    samples, rate = soundfile.read(kept.audio_path, dtype="float32")
    np.testing.assert_allclose(samples, read_audio(CLIP), atol=2**-14)
    assert rate == 16000
    assert kept.duration_s == pytest.approx(len(samples) / 16000)
    snapshot = loaded.scope.snapshot()
    assert snapshot.now_s == pytest.approx(kept.duration_s)
    assert len(snapshot.code_ids) == pytest.approx(kept.duration_s * 50, abs=2)
    assert 0.2 < snapshot.time_mask.mean() < 0.8


def test_a_sample_takes_the_same_path_and_is_not_kept(qtbot, loaded, monkeypatch):
    clips = loaded.samples()
    assert {clip.path for clip in clips} >= {CLIP}
    assert all(clip.transcript and clip.source for clip in clips)
    short = min(clips, key=lambda clip: soundfile.info(clip.path).duration)
    with qtbot.waitSignal(loaded.state_changed, timeout=60_000, check_params_cb=lambda state: state == "idle"):
        loaded.start_sample(short)
    assert loaded.history() == []
    assert loaded.last_audio == short.path
    assert loaded.scope.samples / 16000 == pytest.approx(soundfile.info(short.path).duration + 0.6, abs=0.01)


def test_an_unplugged_microphone_loses_nothing(qtbot, loaded):
    with qtbot.waitSignal(loaded.failed) as failure:
        run(qtbot, loaded, EagerSource(fails=True))
    assert failure.args == ["the microphone stopped; plug it in again"]
    (kept,) = loaded.history()
    assert kept.duration_s == pytest.approx(soundfile.info(CLIP).duration, abs=0.01)
    assert kept.raw_text


def test_no_microphone_says_so_and_leaves_nothing(qtbot, loaded, home):
    with qtbot.waitSignal(loaded.failed) as failure:
        run(qtbot, loaded, EagerSource(refuses=True))
    assert "plug one in" in failure.args[0]
    assert loaded.history() == []
    assert list((home / "dictations").iterdir()) == []
    assert loaded.last_audio is None


def test_a_file_that_is_no_audio_fails_with_a_sentence(qtbot, loaded, tmp_path):
    broken = tmp_path / "broken.flac"
    broken.write_text("no sound")
    with (
        qtbot.waitSignal(loaded.failed) as failure,
        qtbot.waitSignal(loaded.state_changed, check_params_cb=lambda state: state == "idle"),
    ):
        loaded.start_sample(SampleClip(broken, "", ""))
    assert str(broken) in failure.args[0]


def test_stopping_keeps_what_was_said_and_a_second_start_begins_at_zero(qtbot, loaded):
    class Endless(EagerSource):
        def read(self):
            return np.zeros(320, np.float32)

        is_finished = property(lambda self: False, lambda self, value: None)

    with qtbot.waitSignal(loaded.state_changed, check_params_cb=lambda state: state == "listening"):
        loaded.start_source(Endless())
    loaded.start_source(EagerSource())
    qtbot.waitUntil(lambda: loaded.scope.samples > 3200)
    with qtbot.waitSignal(loaded.state_changed, check_params_cb=lambda state: state == "idle"):
        loaded.stop()
    assert len(loaded.history()) == 1, "a second start during a recording is ignored"
    run(qtbot, loaded, EagerSource())
    assert loaded.scope.samples == len(read_audio(CLIP))


def test_words_come_even_if_the_model_loads_during_the_recording(qtbot, model):
    finals = []
    model.text_finalized.connect(finals.append)
    with qtbot.waitSignal(model.state_changed, timeout=60_000, check_params_cb=lambda state: state == "idle"):
        model.load_recognizer()
        model.start_source(EagerSource())
    assert finals


def test_without_a_model_the_sound_is_kept(qtbot, model, settings, tmp_path):
    with qtbot.waitSignal(model.recognizer_failed, timeout=30_000) as failure:
        model.use_bundle(str(tmp_path / "nothing"))
    assert "w2v-export" in failure.args[0]
    run(qtbot, model, EagerSource())
    (kept,) = model.history()
    assert kept.text == ""
    assert kept.duration_s == pytest.approx(soundfile.info(CLIP).duration, abs=0.01)


def test_a_broken_model_leaves_the_one_in_use(qtbot, loaded, settings, tmp_path):
    before = loaded.recognizer
    with qtbot.waitSignal(loaded.recognizer_failed, timeout=30_000):
        loaded.use_bundle(str(tmp_path / "nothing"))
    assert loaded.recognizer is before
    assert settings.get(BUNDLE) == str(before.bundle.folder), "the next start finds what works"


def test_closing_during_a_recording_keeps_it(qtbot, qapp, settings, home):
    model = DictationModel(settings)
    model.start_source(EagerSource())
    qtbot.waitUntil(lambda: model.scope.samples > 16000)
    model.close()
    model.close()
    with DictationStore(home) as store:
        (kept,) = store.search()
    assert kept.duration_s == pytest.approx(soundfile.info(kept.audio_path).duration)
    assert kept.duration_s > 1


def test_a_crash_is_recovered_at_the_next_start(qtbot, qapp, settings, home):
    with DictationStore(home) as store:
        cut = store.begin("tiny")
        cut.audio_path.write_bytes(CLIP.read_bytes())
    model = DictationModel(settings)
    try:
        assert [dictation.id for dictation in model.recover()] == [cut.id]
        assert [dictation.id for dictation in model.history()] == [cut.id]
    finally:
        model.close()


def test_an_unusable_database_does_not_keep_anybody_from_dictating(qtbot, qapp, settings, home):
    home.mkdir(exist_ok=True)
    (home / "studio.db").write_bytes(b"not a database, but long enough to look at" * 50)
    model = DictationModel(settings)
    try:
        assert "move it away" in model.store_problem
        assert model.history() == []
        run(qtbot, model, EagerSource())
        assert model.scope.samples == len(read_audio(CLIP))
    finally:
        model.close()
