import itertools

import numpy as np
import pytest

from engine.masking import LiveSpanMask
from w2v_studio.bundles import default_bundle, find_bundle
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.live import (
    FinalUpdate,
    FramesUpdate,
    LiveRecognizer,
    LiveSettings,
    PartialUpdate,
    SlowUpdate,
    SpeechUpdate,
)
from w2v_studio.recognition.sessions import ContextOutput, Features, Recognizer
from w2v_studio.recognition.transcribe import transcribe
from w2v_studio.recognition.voice_activity import VoiceActivity

STEADY = LiveSettings(adaptive_hop=False, show_codes=True)


@pytest.fixture(scope="module")
def voice_activity():
    return VoiceActivity()


def run(live, waveform, chunk=1600):
    """All updates of a stream fed in chunks."""
    updates = []
    for start in range(0, len(waveform), chunk):
        updates += live.feed(waveform[start : start + chunk])
    return updates + live.flush()


def of_kind(updates, kind):
    return [update for update in updates if isinstance(update, kind)]


def comparable(updates):
    """Updates as values that == compares; arrays as lists."""
    return [
        (update.first_frame, update.code_ids.tolist(), update.time_mask.tolist())
        if isinstance(update, FramesUpdate)
        else update
        for update in updates
    ]


@pytest.mark.parametrize("kind", ["recognizer", "group_norm_recognizer"])
@pytest.mark.parametrize("chunk", [1, 319, 320, 321, 512, 16_000, 1_000_000])
def test_chunks_of_any_size_give_the_same_updates(kind, chunk, request, voice_activity, digits_waveform):
    waveform = digits_waveform[: 16_000 * (1 if chunk == 1 else 3) + 123]
    live = LiveRecognizer(request.getfixturevalue(kind), voice_activity, STEADY)
    expected = run(live, waveform, chunk=1000)
    assert of_kind(expected, FinalUpdate)
    assert comparable(run(live, waveform, chunk)) == comparable(expected)


@pytest.mark.parametrize("kind", ["recognizer", "group_norm_recognizer"])
def test_the_final_text_is_the_offline_text_of_the_segment(kind, request, voice_activity, digits_waveform):
    recognizer = request.getfixturevalue(kind)
    finals = of_kind(run(LiveRecognizer(recognizer, voice_activity, STEADY), digits_waveform), FinalUpdate)
    assert len(finals) >= 3
    assert any(final.text for final in finals)
    for final in finals:
        piece = digits_waveform[round(final.start_s * 16000) : round(final.end_s * 16000)]
        offline = transcribe(recognizer, piece)
        assert final.text == offline.text
        assert [word.start_s for word in final.words] == pytest.approx(
            [word.start_s + final.start_s for word in offline.words], abs=1e-3
        )
        assert all(final.start_s <= word.start_s <= word.end_s <= final.end_s for word in final.words)


def test_codes_and_mask_run_on_without_gap_through_speech_and_silence(recognizer, voice_activity, digits_waveform):
    waveform = np.concatenate([np.zeros(20_000, np.float32), digits_waveform, np.zeros(20_123, np.float32)])
    live = LiveRecognizer(recognizer, voice_activity, STEADY, mask_seed=3)
    frames = of_kind(run(live, waveform), FramesUpdate)
    codes = np.concatenate([update.code_ids for update in frames])
    whole = recognizer.features(recognizer.grid.pad_tail(waveform)).code_ids
    assert codes.shape == whole.shape
    assert (codes != whole).mean() < 1e-3  # but for ties
    assert [update.first_frame for update in frames] == [
        0,
        *itertools.accumulate(len(update.code_ids) for update in frames[:-1]),
    ]
    assert max(len(update.code_ids) for update in frames) <= 10  # about every 160 ms
    card = recognizer.bundle.card
    mask = np.concatenate([update.time_mask for update in frames])
    assert np.array_equal(mask, LiveSpanMask(card.mask_prob, card.mask_length, card.mask_min_spans, 3).take(len(codes)))
    assert 0.3 < mask.mean() < 0.65


def test_speech_is_reported_where_it_is_and_every_segment_has_one_final(recognizer, voice_activity, digits_waveform):
    updates = run(LiveRecognizer(recognizer, voice_activity, STEADY), digits_waveform)
    turns = of_kind(updates, SpeechUpdate)
    assert [turn.is_speech for turn in turns] == [True, False] * (len(turns) // 2)
    assert [turn.time_s for turn in turns] == sorted(turn.time_s for turn in turns)
    finals = of_kind(updates, FinalUpdate)
    assert [final.segment for final in finals] == list(range(len(finals)))
    for before, after in itertools.pairwise(finals):
        assert before.end_s <= after.start_s + 80 / 16000 + 1e-9  # frames overlap by 80 samples, words by nothing
    for start, end, final in zip(turns[::2], turns[1::2], finals, strict=True):
        assert final.start_s <= start.time_s < end.time_s <= final.end_s
        assert start.time_s - final.start_s <= 0.32


def test_committed_text_only_grows(recognizer, voice_activity, digits_waveform):
    # A short window and distance, so that gibberish is committed and the window slides.
    settings = LiveSettings(adaptive_hop=False, window_s=2.5, commit_distance_ms=160, min_silence_ms=2000)
    updates = run(LiveRecognizer(recognizer, voice_activity, settings), digits_waveform)
    partials = of_kind(updates, PartialUpdate)
    assert any(partial.committed for partial in partials)
    for before, after in itertools.pairwise(partials):
        if before.segment == after.segment:
            assert after.committed.startswith(before.committed)
            assert before != after  # nothing is sent twice


def test_words_by_phones_are_read_behind_the_committed_ones(voice_activity, digits_waveform, monkeypatch):
    recognizer = Recognizer(find_bundle("small-en"), "cpu", threads=1)
    live = LiveRecognizer(recognizer, voice_activity, LiveSettings(adaptive_hop=False, min_silence_ms=2000))
    asked, decode_on = [], LanguageModelDecoder.decode_on

    def spy(self, logits, first_frame, before, *, is_whole):
        asked.append((first_frame, list(before), is_whole))
        return decode_on(self, logits, first_frame, before, is_whole=is_whole)

    monkeypatch.setattr(LanguageModelDecoder, "decode_on", spy)
    updates = run(live, digits_waveform)
    committed = [partial for partial in of_kind(updates, PartialUpdate) if partial.committed]
    assert committed
    for before, after in itertools.pairwise(of_kind(updates, PartialUpdate)):
        if before.segment == after.segment:
            assert after.committed.startswith(before.committed)
    behind = [(first, before) for first, before, _ in asked if before]
    assert behind, "decodes behind committed words"
    assert all(" ".join(before) in {partial.committed for partial in committed} for _, before in behind)
    assert behind == sorted(behind, key=lambda item: item[0])
    assert {is_whole for _, _, is_whole in asked} == {True, False}
    final = of_kind(updates, FinalUpdate)[0].text
    assert final.startswith(committed[-1].committed if committed[-1].segment == 0 else "")


def test_silence_gives_frames_only(recognizer, voice_activity):
    updates = run(LiveRecognizer(recognizer, voice_activity, STEADY), np.zeros(64_000, np.float32))
    assert {type(update) for update in updates} == {FramesUpdate}


@pytest.mark.parametrize("samples", [0, 1, 399, 400, 511, 512, 513, 719, 1000])
def test_streams_too_short_for_anything(recognizer, voice_activity, samples):
    updates = run(LiveRecognizer(recognizer, voice_activity, STEADY), np.zeros(samples, np.float32))
    frames = sum(len(update.code_ids) for update in of_kind(updates, FramesUpdate))
    assert frames == recognizer.grid.count(len(recognizer.grid.pad_tail(np.zeros(samples, np.float32))))


def test_flush_ends_running_speech_and_the_next_feed_starts_a_new_stream(recognizer, voice_activity, digits_waveform):
    live = LiveRecognizer(recognizer, voice_activity, STEADY)
    cut = digits_waveform[: round(0.85 * 16000)]  # in the middle of the first word
    first = run(live, cut)
    assert of_kind(first, FinalUpdate)[0].end_s == pytest.approx(0.85)
    assert isinstance(first[-1], FinalUpdate)
    assert live.flush() == []
    assert comparable(run(live, cut)) == comparable(first)


def test_reset_forgets_everything(recognizer, voice_activity, digits_waveform):
    live = LiveRecognizer(recognizer, voice_activity, STEADY)
    expected = comparable(run(live, digits_waveform))
    live.feed(digits_waveform[:17_777])
    live.reset()
    assert comparable(run(live, digits_waveform)) == expected


class CountingRecognizer:
    """Passes everything on to a recognizer and notes how many frames each decode saw."""

    def __init__(self, recognizer):
        self._recognizer = recognizer
        self.decoded = []
        self.features_samples = 0

    def __getattr__(self, name):
        return getattr(self._recognizer, name)

    def features(self, waveform, **options):
        self.features_samples += len(waveform)
        return self._recognizer.features(waveform, **options)

    def context(self, latents, time_mask=None):
        self.decoded.append(len(latents))
        return self._recognizer.context(latents, time_mask)


class UncomputedRecognizer(CountingRecognizer):
    """Counts as well, and gives zeros and blanks of the right shapes."""

    def features(self, waveform, **options):
        self.features_samples += len(waveform)
        frames, card = self.grid.count(len(waveform)), self.bundle.card
        codes = np.zeros((frames, card.codebook_groups), np.int64)
        return Features(np.zeros((frames, card.channels), np.float32), codes, np.zeros((frames, 1, 1), np.float32))

    def context(self, latents, time_mask=None):
        self.decoded.append(len(latents))
        logits = np.zeros((len(latents), len(self.bundle.vocabulary)), np.float32)
        logits[:, self.bundle.card.blank] = 1
        return ContextOutput(np.zeros((len(latents), 1), np.float32), logits)


def test_the_final_decode_is_made_in_the_pause_and_used(recognizer, voice_activity, digits_waveform):
    counting = CountingRecognizer(recognizer)
    live = LiveRecognizer(counting, voice_activity, STEADY)
    decodes_at_end = []
    for start in range(0, len(digits_waveform), 512):
        before = len(counting.decoded)
        updates = live.feed(digits_waveform[start : start + 512])
        if of_kind(updates, FinalUpdate):
            decodes_at_end.append(len(counting.decoded) - before)
    assert len(decodes_at_end) >= 3
    assert set(decodes_at_end) == {0}  # the text was ready when the segment ended


def test_the_final_decode_has_a_quarter_second_and_more_after_the_words(recognizer, voice_activity, digits_waveform):
    updates = run(LiveRecognizer(recognizer, voice_activity, STEADY), digits_waveform)
    turns = of_kind(updates, SpeechUpdate)
    blocks = np.square(digits_waveform[: len(digits_waveform) // 160 * 160].reshape(-1, 160)).mean(axis=1)
    loud_s = np.flatnonzero(blocks > blocks.max() * 10**-3.5) / 100
    for start, end, final in zip(turns[:-2:2], turns[1:-2:2], of_kind(updates, FinalUpdate)[:-1], strict=True):
        last_s = loud_s[(loud_s >= start.time_s) & (loud_s <= end.time_s)].max()
        assert final.end_s - last_s >= 0.25


def test_resumed_speech_drops_the_prepared_text(recognizer, voice_activity, digits_waveform):
    patient = LiveSettings(adaptive_hop=False, min_silence_ms=800)
    finals = of_kind(run(LiveRecognizer(recognizer, voice_activity, patient), digits_waveform), FinalUpdate)
    usual = of_kind(run(LiveRecognizer(recognizer, voice_activity, STEADY), digits_waveform), FinalUpdate)
    assert len(finals) < len(usual)
    longest = max(finals, key=lambda final: final.end_s - final.start_s)
    piece = digits_waveform[round(longest.start_s * 16000) : round(longest.end_s * 16000)]
    assert longest.text == transcribe(recognizer, piece).text


def test_long_speech_is_cut_into_adjoining_segments(recognizer, voice_activity, digits_waveform):
    settings = LiveSettings(
        adaptive_hop=False, min_silence_ms=5000, max_segment_s=3.0, window_s=2.5, commit_distance_ms=160
    )
    waveform = np.concatenate([digits_waveform] * 3)
    live = LiveRecognizer(recognizer, voice_activity, settings)
    blocks = [live.feed(waveform[start : start + 512]) for start in range(0, len(waveform), 512)] + [live.flush()]
    updates = list(itertools.chain(*blocks))
    finals = of_kind(updates, FinalUpdate)
    assert len(finals) >= 5
    for before, after in itertools.pairwise(finals):
        assert after.start_s == pytest.approx(before.end_s - 80 / 16000)
        assert before.end_s - before.start_s <= 3.4
    for final in finals:
        piece = waveform[round(final.start_s * 16000) : round(final.end_s * 16000)]
        assert final.text == transcribe(recognizer, piece).text
    # What a segment shows at first is what the one before had shown past the cut, unless a new decode comes with it.
    earlier, carried = None, 0
    for block in blocks:
        after_cut = False
        for update in block:
            if isinstance(update, PartialUpdate) and after_cut:
                words = f"{earlier.committed} {earlier.unstable}".split()
                later = f"{update.committed} {update.unstable}".split()
                carried += words[len(words) - len(later) :] == later
                break
            earlier = update if isinstance(update, PartialUpdate) else earlier
            after_cut = after_cut or isinstance(update, FinalUpdate)
    assert carried


def test_a_gpu_decodes_more_often():
    assert LiveSettings.for_provider("CUDA").hop_ms == 160
    assert LiveSettings.for_provider("CPU") == LiveSettings()


def test_codes_nobody_shows_are_not_computed_and_change_no_text(recognizer, voice_activity, digits_waveform):
    waveform = np.concatenate([np.zeros(48_000, np.float32), digits_waveform])
    counting = CountingRecognizer(recognizer)
    live = LiveRecognizer(counting, voice_activity, LiveSettings(adaptive_hop=False))
    unseen = live.feed(waveform[:48_000])
    assert unseen == []
    assert counting.features_samples == 0  # silence: voice activity only
    unseen += live.feed(waveform[48_000:]) + live.flush()
    shown = run(LiveRecognizer(recognizer, voice_activity, STEADY), waveform)
    assert unseen == [update for update in shown if not isinstance(update, FramesUpdate)]


def test_codes_can_be_turned_on_and_off_while_it_runs(recognizer, voice_activity, digits_waveform):
    live = LiveRecognizer(recognizer, voice_activity, LiveSettings(adaptive_hop=False))
    assert of_kind(live.feed(digits_waveform[:40_000]), FramesUpdate) == []
    live.show_codes = True
    frames = of_kind(live.feed(digits_waveform[40_000:60_000]), FramesUpdate)
    assert frames[0].first_frame >= 40_000 // 320 - 150
    ends = [update.first_frame + len(update.code_ids) for update in frames]
    assert [update.first_frame for update in frames[1:]] == ends[:-1]
    assert 60_000 // 320 - 10 <= ends[-1] <= 60_000 // 320
    live.show_codes = False
    assert of_kind(live.feed(digits_waveform[60_000:]) + live.flush(), FramesUpdate) == []


class SlowMachine:
    """A recogniser whose decodes take `per_s` seconds for each second they see, and the clock that shows it."""

    def __init__(self, recognizer, per_s):
        self._recognizer, self.per_s, self.now = recognizer, per_s, 0.0
        self.decoded = []

    def __getattr__(self, name):
        return getattr(self._recognizer, name)

    def __call__(self):
        return self.now

    def context(self, latents, time_mask=None):
        self.now += self.per_s * len(latents) / 50
        self.decoded.append((self.now, len(latents)))
        return self._recognizer.context(latents, time_mask)


def monologue(waveform, seconds):
    """Speech whose pauses are too short to end it."""
    loud = np.concatenate([piece for piece in waveform.reshape(-1, 4) if np.abs(piece).max() > 1e-3])
    return np.tile(loud, -(-seconds * 16_000 // len(loud)))[: seconds * 16_000]


def test_a_slow_machine_first_decodes_less_often_then_sees_less(recognizer, voice_activity, digits_waveform):
    speech = monologue(digits_waveform, 16)
    reached = []
    for per_s in (0.01, 0.06, 0.25):
        machine = SlowMachine(recognizer, per_s)
        live = LiveRecognizer(machine, voice_activity, LiveSettings(), clock=machine)
        updates = live.feed(speech)
        assert of_kind(updates, SlowUpdate) == []
        reached.append((live.hop_s, live.window_s))
    assert reached[0] == (0.32, 8.0)
    assert 0.32 < reached[1][0] < 0.96
    assert reached[1][1] == 8.0
    assert 0.32 < reached[2][0] <= 0.96
    assert reached[2][1] < 8.0


def test_a_machine_that_is_too_slow_says_so_loses_nothing_and_recovers(recognizer, voice_activity, digits_waveform):
    speech = monologue(digits_waveform, 30)
    waveform = np.concatenate([speech, np.zeros(160_000, np.float32), digits_waveform])
    machine = SlowMachine(recognizer, 1.2)
    live = LiveRecognizer(machine, voice_activity, LiveSettings(), clock=machine)
    updates = live.feed(waveform[: len(speech)])
    warning = of_kind(updates, SlowUpdate)[0]
    assert warning.is_slow
    assert warning.behind_s >= 2
    assert "no sound is lost" in warning.reason
    late = updates[updates.index(warning) :]
    assert len(of_kind(late, PartialUpdate)) <= 1  # what a cut hands on
    machine.per_s = 0.01  # the other program has ended
    updates += live.feed(waveform[len(speech) :]) + live.flush()
    assert [slow.is_slow for slow in of_kind(updates, SlowUpdate)] == [True, False]
    recovered = updates[updates.index(of_kind(updates, SlowUpdate)[1]) :]
    assert of_kind(recovered, PartialUpdate)
    steady = run(LiveRecognizer(recognizer, voice_activity, STEADY), waveform)
    assert of_kind(updates, FinalUpdate) == of_kind(steady, FinalUpdate)


@pytest.mark.parametrize("per_s", [0.05, 0.3, 5.0])
def test_the_machine_s_speed_never_changes_final_texts(recognizer, voice_activity, digits_waveform, per_s):
    machine = SlowMachine(recognizer, per_s)
    slow = run(LiveRecognizer(machine, voice_activity, LiveSettings(), clock=machine), digits_waveform)
    steady = run(LiveRecognizer(recognizer, VoiceActivity(), STEADY), digits_waveform)
    assert of_kind(slow, FinalUpdate) == of_kind(steady, FinalUpdate)


def test_without_adapting_the_clock_changes_nothing(recognizer, voice_activity, digits_waveform):
    machine = SlowMachine(recognizer, 5.0)
    slow = run(LiveRecognizer(machine, voice_activity, STEADY, clock=machine), digits_waveform)
    assert comparable(slow) == comparable(run(LiveRecognizer(recognizer, voice_activity, STEADY), digits_waveform))


class SureVoice:
    """Speech everywhere but in a tenth of a second now and then: an endless monologue, without the time it takes."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.block = 0

    def probability(self, block):
        self.block += 1
        return 0.0 if self.block % 200 < 4 else 1.0


def test_hours_of_speech_cost_the_same_every_second_and_no_memory():
    """Counts work and buffers, as time would depend on the machine; the networks are left out, or it took minutes."""
    counting = UncomputedRecognizer(Recognizer(default_bundle(), "cpu", threads=1))
    live = LiveRecognizer(counting, SureVoice(), LiveSettings(adaptive_hop=False))
    sound = np.random.default_rng(0).normal(0, 0.1, 60 * 16_000).astype(np.float32)
    minutes = []
    for _ in range(60):
        before = len(counting.decoded), sum(counting.decoded), counting.features_samples
        finals = of_kind(live.feed(sound), FinalUpdate)
        assert all(final.end_s - final.start_s <= 20.1 for final in finals)
        after = len(counting.decoded), sum(counting.decoded), counting.features_samples
        held = live._features.nbytes + live._pending.nbytes
        minutes.append((*(b - a for a, b in zip(before, after, strict=True)), held))
    decodes, frames, samples, held = np.array(minutes[1:]).T
    assert decodes.max() <= 60 / 0.32 * 1.1 + 10
    # A partial decode sees at most 8 s, and each second is in one final text.
    assert frames.max() <= decodes.max() * 8 * 50 + 60 * 50 * 1.1
    assert frames.max() <= 1.1 * np.median(frames)
    assert samples.max() <= 60 * 16_000 * 1.05  # features are computed once, the overlap of chunks aside
    assert held.max() < 3_000_000
    assert held[-10:].max() <= held[:10].max()
