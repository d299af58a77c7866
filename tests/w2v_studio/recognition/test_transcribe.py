import numpy as np
import pytest

from engine.text.ctc import decode_words
from w2v_studio.recognition.transcribe import analyse, frame_count, transcribe, window_spans


def noise(seconds: float, seed: int = 0, level: float = 0.1):
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0.1, 1, int(seconds * 10) + 1), 1600)[: round(seconds * 16000)]
    return (level * envelope * rng.standard_normal(round(seconds * 16000))).astype(np.float32)


def directly_decoded(recognizer, waveform):
    """The whole file through both graphs at once, without any of the code under test but the padding rule."""
    padded = np.concatenate([waveform, np.zeros(-(len(waveform) - 80) % 320, np.float32)])
    logits = recognizer.context(recognizer.features(padded).latents).logits
    return logits, decode_words(logits, recognizer.bundle.vocabulary)


@pytest.mark.parametrize("samples", [400, 401, 720, 16000, 16001, 47_999])
def test_a_short_file_gives_what_one_pass_gives(recognizer, samples):
    waveform = noise(3.0)[:samples]
    transcript = transcribe(recognizer, waveform, cut="never")  # by itself noise gives no words
    _, words = directly_decoded(recognizer, waveform)
    assert transcript.text == " ".join(word.word for word in words)
    assert transcript.duration_s == samples / 16000


def test_no_word_ends_after_the_file(recognizer):
    for samples in range(16000, 16000 + 640, 37):
        transcript = transcribe(recognizer, noise(1.1)[:samples], cut="never")
        assert transcript.words
        for word in transcript.words:
            assert 0 <= word.start_s <= word.end_s <= transcript.duration_s


@pytest.mark.parametrize("frames", [1, 999, 1000, 1001, 1799, 1800, 1801, 2600, 50_000])
def test_windows_cover_every_frame_once_with_context(frames):
    spans = window_spans(frames)
    kept = [frame for _, (start, stop) in spans for frame in range(start, stop)]
    assert kept == list(range(frames))
    for (first, last), (start, stop) in spans:
        assert last - first <= 1000
        assert start - first == (100 if start else 0)
        assert last - stop == (100 if stop < frames else 0)
        assert stop - start >= min(frames, 350)  # no stubs


def test_a_long_file_in_windows_is_near_one_pass(recognizer):
    waveform = noise(47.0)
    analysis = analyse(recognizer, waveform)
    logits, words = directly_decoded(recognizer, waveform)
    assert analysis.logits.shape == logits.shape
    # Attention sees other frames in a window than in the whole, so equal up to that, and in step everywhere.
    agreeing = analysis.logits.argmax(axis=1) == logits.argmax(axis=1)
    assert agreeing.mean() > 0.9
    shifted = analysis.logits[1:].argmax(axis=1) == logits[:-1].argmax(axis=1)
    assert agreeing.mean() > shifted.mean() + 0.3
    assert abs(len(analysis.words) - len(words)) <= 0.15 * len(words)


def test_features_in_windows_equal_those_of_the_whole(recognizer):
    waveform = noise(47.0)
    analysis = analyse(recognizer, waveform)
    whole = recognizer.features(recognizer.grid.pad_tail(waveform))
    assert np.abs(analysis.latents - whole.latents).max() < 1e-5
    assert np.abs(analysis.code_probs - whole.code_probs).max() < 1e-5
    assert (analysis.code_ids != whole.code_ids).mean() < 1e-3  # but for ties


@pytest.mark.parametrize(
    "waveform", [np.zeros(0), np.zeros(399), np.ones(399), np.zeros(16000), np.full(16000, 9e-5)], ids=len
)
def test_very_short_and_silent_recordings_have_no_words(recognizer, waveform):
    waveform = waveform.astype(np.float32)
    transcript = transcribe(recognizer, waveform)
    assert (transcript.text, transcript.words) == ("", [])
    assert transcript.duration_s == len(waveform) / 16000
    assert analyse(recognizer, waveform).text == ""


@pytest.mark.parametrize("seconds", [15.0, 25.0])
def test_analysis_and_the_whole_transcript_agree(recognizer, seconds):
    waveform = noise(seconds)
    analysis, transcript = analyse(recognizer, waveform), transcribe(recognizer, waveform, cut="never")
    assert analysis.words == transcript.words
    assert analysis.text == transcript.text
    assert len(analysis.latents) == frame_count(recognizer, len(waveform))


def test_the_mask_reaches_its_frames_in_every_window(recognizer):
    waveform = noise(47.0)
    frames = frame_count(recognizer, len(waveform))
    plain = analyse(recognizer, waveform)
    mask = np.zeros(frames, bool)
    mask[1200:1300] = True
    masked = analyse(recognizer, waveform, mask)
    assert np.array_equal(masked.latents, plain.latents)
    change = np.abs(masked.logits - plain.logits).max(axis=1)
    assert change[1200:1300].mean() > 3 * change[:600].mean()
    with pytest.raises(ValueError, match=f"the mask has 10 frames, the recording {frames}"):
        analyse(recognizer, waveform, mask[:10])


def test_a_group_norm_model_is_never_padded_and_is_normalised_over_the_whole_file(group_norm_recognizer):
    waveform = noise(3.0)[:47_999]
    assert frame_count(group_norm_recognizer, 47_999) == (47_999 - 400) // 320 + 1
    features = group_norm_recognizer.features(waveform)
    logits = group_norm_recognizer.context(features.latents).logits
    assert np.abs(analyse(group_norm_recognizer, waveform).logits - logits).max() < 1e-4
    quiet_end = np.concatenate([noise(30.0), noise(30.0, level=1e-3)])
    prepared = group_norm_recognizer.normalized(quiet_end)
    assert prepared[480_000:].std() < 0.05  # not blown up window by window
    assert len(analyse(group_norm_recognizer, quiet_end).logits) == frame_count(group_norm_recognizer, 960_000)
