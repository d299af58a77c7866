import threading

import numpy as np
import pytest
import soundfile

from engine.masking import draw_time_mask
from w2v_studio.audio.devices import AudioUnavailable
from w2v_studio.inspection.analysis import code_usage, letter_probabilities
from w2v_studio.inspection.model import InspectionModel
from w2v_studio.inspection.playback import Player
from w2v_studio.inspection.requests import ClipAnswer, ClipRequest
from w2v_studio.recognition.transcribe import analyse


@pytest.fixture
def model(qapp):
    model = InspectionModel()
    yield model
    model.close()


def open_and_wait(qtbot, model, path):
    with qtbot.waitSignal(model.masked_changed, check_params_cb=lambda: model.masked is not None, timeout=20000):
        model.open_file(path)


def test_a_file_is_analysed(qtbot, model, recognizer, clip_path):
    model.set_recognizer(recognizer)
    open_and_wait(qtbot, model, clip_path)
    waveform = model.clip.waveform
    assert model.clip.duration_s == 3.0
    reference = analyse(recognizer, waveform)
    assert (model.codes.code_ids == reference.code_ids).all()
    assert np.allclose(model.letters.probabilities, letter_probabilities(reference.logits))
    assert list(model.letters.words) == reference.words
    assert model.codes.usage.code_perplexity == pytest.approx(
        code_usage(reference.code_ids, reference.code_probs).code_perplexity
    )
    qtbot.waitUntil(lambda: model.spectrogram is not None)


def test_the_mask_is_drawn_by_the_rule_and_hides_latents(qtbot, model, recognizer, clip_path):
    model.set_recognizer(recognizer)
    open_and_wait(qtbot, model, clip_path)
    frames, card = len(model.codes.code_ids), recognizer.bundle.card

    def drawn(seed):
        rng = np.random.default_rng(seed)
        return draw_time_mask(np.array([frames]), card.mask_prob, card.mask_length, rng, min_spans=card.mask_min_spans)

    assert (model.mask == drawn(0)[0]).all()
    with qtbot.waitSignal(model.masked_changed, timeout=20000):
        model.set_mask_seed(7)
    assert (model.mask == drawn(7)[0]).all()
    assert (model.masked.mask == model.mask).all()
    expected = analyse(recognizer, model.clip.waveform, model.mask)
    assert np.allclose(model.masked.letters.probabilities, letter_probabilities(expected.logits))
    assert not np.allclose(model.masked.letters.probabilities, model.letters.probabilities, atol=1e-3)


def test_stale_answers_are_dropped(qtbot, model, recognizer, clip_path, tmp_path, make_sound):
    other = tmp_path / "other.wav"
    soundfile.write(other, make_sound(1.0, seed=1), 16000)
    model.set_recognizer(recognizer)
    with qtbot.waitSignal(model.masked_changed, check_params_cb=lambda: model.masked is not None, timeout=20000):
        model.open_file(clip_path)
        model.open_file(other)
    assert model.clip.path == other
    late = ClipRequest(1, clip_path).answer()
    model._take(late)
    assert model.clip.path == other
    codes = model.codes
    model._take(type(codes)(codes.number, codes.code_ids[:3], codes.usage, codes.letters))
    assert model.codes is codes
    assert ClipAnswer not in model._expected


def test_only_the_last_of_many_masks_is_shown(qtbot, model, recognizer, clip_path):
    model.set_recognizer(recognizer)
    open_and_wait(qtbot, model, clip_path)
    seen = []
    model.masked_changed.connect(lambda: seen.append(model.masked.mask))
    for seed in range(1, 6):
        model.set_mask_seed(seed)
    qtbot.waitUntil(lambda: bool(seen), timeout=20000)
    model.close()
    qtbot.wait(1)  # deliver what was still on its way
    assert len(seen) == 1
    assert (seen[0] == model.mask).all()


def test_without_a_model_there_is_sound_and_picture_and_the_rest_follows(qtbot, model, recognizer, clip_path):
    with qtbot.waitSignal(model.spectrogram_changed, timeout=20000):
        model.open_file(clip_path)
    assert model.codes is None
    with qtbot.waitSignal(model.masked_changed, check_params_cb=lambda: model.masked is not None, timeout=20000):
        model.set_recognizer(recognizer)
    assert model.codes is not None


@pytest.mark.parametrize(
    ("content", "words"), [(b"not audio at all", "cannot be read as audio"), (b"", "is empty"), (None, "no file")]
)
def test_unusable_files_are_refused_and_the_old_clip_stays(qtbot, model, clip_path, tmp_path, content, words):
    with qtbot.waitSignal(model.spectrogram_changed, timeout=20000):
        model.open_file(clip_path)
    bad = tmp_path / "bad.wav"
    if content is not None:
        bad.write_bytes(content)
    with qtbot.waitSignal(model.problem_found, timeout=20000) as found:
        model.open_file(bad)
    assert words in found.args[0]
    assert model.clip.path == clip_path


def test_a_scrap_is_refused(qtbot, model, tmp_path):
    path = tmp_path / "scrap.wav"
    soundfile.write(path, np.zeros(300), 16000)
    with qtbot.waitSignal(model.problem_found, timeout=20000) as found:
        model.open_file(path)
    assert "longer recording" in found.args[0]


def test_long_recordings_are_read_page_by_page(qtbot, model, recognizer, tmp_path, make_sound):
    path = tmp_path / "long.wav"
    soundfile.write(path, make_sound(66.0), 16000)
    model.set_recognizer(recognizer)
    open_and_wait(qtbot, model, path)
    assert len(model.clip.pages) == 2
    model.select_code(0, int(model.codes.code_ids[0, 0]))
    with qtbot.waitSignal(model.masked_changed, check_params_cb=lambda: model.masked is not None, timeout=20000):
        model.show_page(1)
    page = model.clip.pages[1]
    assert model.selected_code is None
    assert (model.codes.code_ids == analyse(recognizer, model.clip.waveform[page.start :]).code_ids).all()
    assert all(word.start_s >= page.start_s for word in model.letters.words)
    qtbot.waitUntil(lambda: model.spectrogram is not None, timeout=20000)
    assert model.spectrogram.start_s > page.start_s


class DeafPlayer(Player):
    def play(self, program, order):
        raise AudioUnavailable("There is no sound output: connect loudspeakers")


def test_no_sound_output_is_one_sentence(qtbot, clip_path):
    model = InspectionModel(player=DeafPlayer())
    with qtbot.waitSignal(model.spectrogram_changed, timeout=20000):
        model.open_file(clip_path)
    with qtbot.waitSignal(model.problem_found, timeout=20000) as found:
        model.play_span(0.0)
    assert "no sound output" in found.args[0]
    assert not model.is_playing
    model.close()


class RecordingPlayer(Player):
    """Keeps what it is told to play."""

    def __init__(self):
        super().__init__()
        self.programs, self.threads = [], []

    def play(self, program, order):
        self.programs.append(program)
        self.threads.append(threading.current_thread())


def test_occurrences_are_heard_off_the_gui_thread(qtbot, recognizer, clip_path):
    player = RecordingPlayer()
    model = InspectionModel(player=player)
    model.set_recognizer(recognizer)
    open_and_wait(qtbot, model, clip_path)
    code = int(model.codes.code_ids[20, 1])
    model.select_code(1, code)
    model.play_occurrences()
    qtbot.waitUntil(lambda: bool(player.programs))
    assert len(player.programs[0].pieces) == len(model.occurrences) >= 1
    assert player.threads[0] is not threading.main_thread()
    model.close()


def test_a_cut_file_is_shown_with_a_warning(qtbot, model, tmp_path, make_sound):
    whole = tmp_path / "whole.flac"
    soundfile.write(whole, make_sound(4.0, seed=1), 16000)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with qtbot.waitSignal(model.warning_found, timeout=20000) as warning:
        model.open_file(cut)
    assert str(cut) in warning.args[0]
    assert 0 < model.clip.duration_s < 4
    said = []
    model.warning_found.connect(said.append)
    with qtbot.waitSignal(model.clip_changed, timeout=20000):
        model.open_file(whole)
    assert said == []
