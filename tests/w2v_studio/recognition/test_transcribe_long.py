"""Recordings longer than a window: stretches of speech, the same as live recognition gives, in constant memory."""

import itertools
import tracemalloc

import numpy as np
import pytest

from engine.text.error_rate import error_rates
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.recognition.live import FinalUpdate, LiveRecognizer, LiveSettings
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.speech_stretches import StretchFinder
from w2v_studio.recognition.transcribe import Transcriber, transcribe
from w2v_studio.recognition.voice_activity import VoiceActivity


@pytest.fixture(scope="module")
def long_speech(digits_waveform):
    """Digits with pauses, a stretch of silence, and 21 s of digits without any pause."""
    speech = digits_waveform[np.abs(digits_waveform) > 2e-3]
    quiet = np.random.default_rng(0).normal(0, 1e-4, 48_000).astype(np.float32)
    unbroken = np.tile(speech, 21 * 16_000 // len(speech) + 1)[: 21 * 16_000]
    return np.concatenate([np.tile(digits_waveform, 2), quiet, unbroken, digits_waveform[:40_123]])


@pytest.fixture(scope="module")
def english():
    return Recognizer(default_bundle(), "cpu", threads=1)


@pytest.mark.parametrize("kind", ["english", "recognizer", "group_norm_recognizer"])
def test_the_text_is_what_live_recognition_ends_with(kind, request, long_speech):
    recognizer = request.getfixturevalue(kind)
    # A hop of an hour: no partial texts.
    live = LiveRecognizer(recognizer, VoiceActivity(), LiveSettings(hop_ms=3_600_000, adaptive_hop=False))
    finals = [update for update in [*live.feed(long_speech), *live.flush()] if isinstance(update, FinalUpdate)]
    transcript = transcribe(recognizer, long_speech)
    assert len(finals) > 10
    assert transcript.words == [word for final in finals for word in final.words]
    assert transcript.passages == tuple(tuple(final.words) for final in finals if final.words)
    assert transcript.duration_s == len(long_speech) / 16000


def test_blocks_of_any_size_give_the_same(english, long_speech):
    expected = transcribe(english, long_speech)
    for size in (1000, 65_536):
        blocks = (long_speech[start : start + size] for start in range(0, len(long_speech), size))
        assert Transcriber(english).transcribe(blocks) == expected


def test_blocks_of_single_samples_too(english, digits_waveform):
    waveform = digits_waveform[:20_000]
    blocks = (waveform[place : place + 1] for place in range(len(waveform)))
    assert Transcriber(english, cut="pauses").transcribe(blocks) == transcribe(english, waveform, cut="pauses")


def test_a_recording_of_up_to_a_window_is_decoded_as_one(english, digits_waveform):
    waveform = np.tile(digits_waveform, 4)[: 320 * 1000 + 80]
    whole = transcribe(english, waveform)
    assert whole == transcribe(english, waveform, cut="never")
    assert len(whole.passages) == 1
    assert len(transcribe(english, waveform, cut="pauses").passages) > 5
    assert len(transcribe(english, np.append(waveform, np.float32(0))).passages) > 5


def test_spoken_digits_in_a_row_are_better_cut_at_pauses(english, speech_folder):
    """Digits that the model was not trained on, 0.6 s between them: four times fewer errors than as a whole."""
    files = sorted((speech_folder / "digits" / "audio").glob("*_[0-3].flac"))
    files = [path for path in files if path.name.split("_")[1] in ("jackson", "nicolas", "theo", "yweweler")]
    order = np.random.default_rng(0).permutation(len(files))[:60]
    names = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]
    gap = np.random.default_rng(1).normal(0, 1e-4, 9600).astype(np.float32)
    pieces = itertools.chain.from_iterable((gap, read_audio(files[place])) for place in order)
    waveform = np.concatenate([*pieces, gap])
    said = " ".join(names[int(files[place].name[0])] for place in order)
    cut = error_rates([(said, transcribe(english, waveform).text)]).wer
    whole = error_rates([(said, transcribe(english, waveform, cut="never").text)]).wer
    assert cut <= 0.2
    assert cut <= 0.5 * whole


@pytest.mark.parametrize("level", [0.0, 1e-3])
def test_long_silence_and_hiss_have_no_words_and_cost_no_decode(recognizer, level):
    waveform = np.random.default_rng(0).normal(0, level, 16_000 * 30).astype(np.float32)
    transcript = transcribe(recognizer, waveform)
    assert (transcript.text, transcript.passages, transcript.duration_s) == ("", (), 30.0)


def test_memory_does_not_grow_with_the_recording(english, digits_waveform):
    def peak_bytes(repeats):
        tracemalloc.start()
        finder = StretchFinder(VoiceActivity(), english.grid)
        count = sum(len(stretch.samples) > 0 for stretch in finder.find(itertools.repeat(digits_waveform, repeats)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count >= 3 * repeats
        return peak

    assert peak_bytes(24) < 1.2 * peak_bytes(6)
