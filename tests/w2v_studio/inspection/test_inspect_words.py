"""Words of a clip: the language model's, as dictation has them, where the bundle has one."""

import gzip
from pathlib import Path

import numpy as np

from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import find_bundle
from w2v_studio.inspection.clip import SAMPLE_RATE, Page
from w2v_studio.inspection.requests import CodesRequest, MaskedRequest
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse, transcribe

SAMPLE = Path(__file__).parents[3] / "resources" / "samples" / "librispeech-5789.opus"


def words_of(bundle: str):
    recognizer, waveform = Recognizer(find_bundle(bundle), provider="cpu", threads=1), read_audio(SAMPLE)
    page = Page(2 * SAMPLE_RATE, 2 * SAMPLE_RATE + len(waveform))
    answer = CodesRequest(1, recognizer, page, waveform).answer()
    return recognizer, waveform, answer.letters


def test_words_are_those_of_the_language_model_on_the_recordings_clock():
    recognizer, waveform, letters = words_of("small-en")
    whole = transcribe(recognizer, waveform, cut="pauses").words
    assert [word.word for word in letters.words] == [word.word for word in whole]
    assert len(whole) > 5
    assert [round(word.start_s - 2, 3) for word in letters.words] == [round(word.start_s, 3) for word in whole]
    assert [word.word for word in analyse(recognizer, waveform).words] != [word.word for word in letters.words]
    assert letters.phones


def test_phones_are_those_of_the_words():
    recognizer, _, letters = words_of("small-en")
    with gzip.open(recognizer.bundle.folder / "lexicon.txt.gz", "rt") as lines:
        ways = {}
        for word, _, way in (line.rstrip("\n").partition("\t") for line in lines):
            ways.setdefault(word, []).append(way.split())
    for word in letters.words:
        inside = [
            phone for phone in letters.phones if word.start_s - 1e-6 <= phone.start_s < phone.end_s <= word.end_s + 1e-6
        ]
        assert [phone.word for phone in inside] in ways[word.word]
        assert all(phone.word not in phone.alternatives for phone in inside)
    assert {len(phone.alternatives) for phone in letters.phones} == {0, 1}  # the network hears some otherwise


def test_without_a_language_model_they_are_those_of_the_letters():
    recognizer, waveform, letters = words_of("tiny-en")
    assert [word.word for word in letters.words] == [word.word for word in analyse(recognizer, waveform).words]
    assert not letters.phones
    silent = CodesRequest(1, recognizer, Page(0, 16000), 0 * waveform[:16000]).answer()
    assert silent.letters.words == ()


def test_under_a_mask_words_are_those_that_are_left():
    recognizer, waveform, letters = words_of("small-en")
    page = Page(2 * SAMPLE_RATE, 2 * SAMPLE_RATE + len(waveform))
    frames = len(letters.probabilities)
    nothing, all_ = np.zeros(frames, bool), np.ones(frames, bool)
    masked = [MaskedRequest(1, recognizer, page, waveform, mask).answer().letters.words for mask in (nothing, all_)]
    assert masked[0] == letters.words
    assert [word.word for word in masked[1]] != [word.word for word in letters.words]
