import numpy as np
import pytest

from w2v_studio.recognition.endpointer import Endpointer, Turn
from w2v_studio.recognition.live_settings import LiveSettings

BLOCK = 512


def turns(endpointer, probabilities):
    """(block, turn) for blocks that changed something."""
    found = [(block, endpointer.feed(probability)) for block, probability in enumerate(probabilities)]
    return [(block, turn) for block, turn in found if turn]


def test_speech_starts_pauses_resumes_and_ends():
    settings = LiveSettings(speculation_ms=128, trailing_ms=320, min_silence_ms=400)
    speech, silence = [0.9] * 10, [0.1]
    found = turns(Endpointer(settings), silence * 5 + speech + silence * 6 + speech + silence * 20)
    assert found == [
        (5, Turn.START),
        (15 + 4 - 1, Turn.PAUSE),  # 4 blocks of 32 ms are 128 ms
        (21, Turn.RESUME),
        (31 + 4 - 1, Turn.PAUSE),
        (31 + 10 - 1, Turn.PAUSE),
        (31 + 13 - 1, Turn.END),  # 13 blocks are 416 ms
        *[(block, Turn.END) for block in range(44, 51)],  # until the owner calls end()
    ]


def test_between_the_thresholds_nothing_changes():
    endpointer = Endpointer(LiveSettings(speech_on=0.5, speech_off=0.35))
    assert turns(endpointer, [0.45] * 50) == []
    assert turns(endpointer, [0.9] + [0.4] * 50) == [(0, Turn.START)]


def test_positions_are_samples_of_the_stream():
    endpointer = Endpointer(LiveSettings())
    turns(endpointer, [0.0] * 7 + [0.9] * 9 + [0.1] * 5)
    assert endpointer.speech_start == 7 * BLOCK
    assert endpointer.speech_end == 16 * BLOCK
    assert endpointer.position == 21 * BLOCK


@pytest.mark.parametrize(("blocks", "is_enough"), [(1, False), (2, False), (3, True), (30, True)])
def test_short_sounds_are_not_long_enough(blocks, is_enough):
    endpointer = Endpointer(LiveSettings(min_speech_ms=96))
    turns(endpointer, [0.9] * blocks + [0.1] * 13)
    assert endpointer.is_long_enough == is_enough


def test_a_long_segment_is_cut_in_its_longest_silence():
    endpointer = Endpointer(LiveSettings(max_segment_s=4.0))
    probabilities = np.full(125, 0.9)
    probabilities[20:25] = 0.1
    probabilities[60:68] = 0.1  # the longest
    probabilities[90:94] = 0.1
    found = turns(endpointer, probabilities)
    assert found[-1] == (124, Turn.FULL)
    assert endpointer.cut() == 64 * BLOCK
    assert endpointer.is_speech
    rest = turns(endpointer, np.full(100, 0.9))
    assert rest[0] == (64 - 1, Turn.FULL)  # 4 s after the cut: block 64 + 125, of which 61 were there


def test_without_a_silence_it_is_cut_late_where_speech_is_least_likely():
    endpointer = Endpointer(LiveSettings(max_segment_s=4.0))
    probabilities = np.full(125, 0.9)
    probabilities[30] = 0.4
    probabilities[110] = 0.6
    turns(endpointer, probabilities)
    assert endpointer.cut() == 110 * BLOCK


def test_a_cut_keeps_enough_speech_for_text():
    endpointer = Endpointer(LiveSettings(max_segment_s=4.0))
    turns(endpointer, [0.9] * 115 + [0.1] * 10)
    endpointer.cut()
    turns(endpointer, [0.1] * 10)
    assert endpointer.is_long_enough


@pytest.mark.parametrize("seed", range(20))
def test_any_probabilities_give_alternating_turns_and_forward_cuts(seed):
    rng = np.random.default_rng(seed)
    endpointer = Endpointer(LiveSettings(max_segment_s=3.0))
    probabilities = np.clip(np.cumsum(rng.normal(0, 0.3, 3000)) % 2 - 0.5, 0, 1)
    is_speech, last_cut = False, 0
    for probability in probabilities:
        turn = endpointer.feed(float(probability))
        if turn is Turn.START:
            assert not is_speech
            is_speech = True
        elif turn is not None:
            assert is_speech
        if turn is Turn.FULL:
            cut = endpointer.cut()
            assert last_cut < cut <= endpointer.position
            last_cut = cut
        if turn is Turn.END:
            endpointer.end()
            is_speech = False
        assert endpointer.is_speech == is_speech
