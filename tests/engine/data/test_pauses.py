"""Cuts of recordings whose pauses and words are known."""

import numpy as np
import pytest

from engine.data.pauses import LEAST_PAUSE_S, LEAST_PIECE_S, choose_cuts, find_pauses
from engine.text.ctc import Word

RATE = 16000


def recording(*stretches: tuple[float, float]) -> np.ndarray:
    """Noise of the given (seconds, amplitude) one after the other."""
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0, level, round(seconds * RATE)) for seconds, level in stretches]).astype("f4")


def words(*spans: tuple[float, float]) -> list[Word]:
    return [Word("A", start, end, 1.0) for start, end in spans]


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_pauses_are_found_where_they_are(gain: float) -> None:
    loud, quiet = 0.1 * gain, 0.001 * gain
    waveform = recording((1, loud), (0.4, quiet), (0.7, loud), (0.1, quiet), (1, loud), (0.25, quiet), (0.5, loud))
    found = find_pauses(waveform, RATE)
    assert np.allclose(found, [(1.0, 1.4), (3.2, 3.45)], atol=0.021)


def test_steady_sound_and_snippets_have_no_pause() -> None:
    assert find_pauses(recording((3, 0.1)), RATE) == []
    assert find_pauses(np.zeros(0, np.float32), RATE) == []
    assert find_pauses(np.zeros(200, np.float32), RATE) == []


def test_a_cut_is_in_a_pause_and_between_words() -> None:
    said = words((0.1, 0.8), (0.9, 2.0), (2.5, 3.1), (3.2, 4.4), (5.0, 7.0))
    assert choose_cuts(said, [(2.1, 2.4), (4.5, 4.9)], 7.5) == [(2, 2.25), (4, 4.7)]


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        (words((0.1, 2.4), (2.5, 4.0)), (2.0, 2.3)),  # the alignment has a word there
        (words((0.1, 2.0), (2.1, 4.0)), (2.0, 2.3)),  # or one that begins there
        (words((2.5, 3.0), (3.1, 4.0)), (2.0, 2.3)),  # no word before
        (words((0.1, 1.0), (1.1, 1.9)), (2.0, 2.3)),  # nor behind
        (words((0.1, 0.5), (1.5, 4.0)), (0.8, 1.2)),  # too short a piece before
        (words((0.1, 2.5), (3.5, 3.9)), (2.8, 3.2)),  # or behind
        ([], (2.0, 2.3)),
    ],
)
def test_where_no_cut_is_made(said: list[Word], pause: tuple[float, float]) -> None:
    assert choose_cuts(said, [pause], 4.0) == []


def test_random_recordings_keep_the_rules() -> None:
    rng = np.random.default_rng(0)
    cuts = 0
    for _ in range(300):
        times = np.sort(rng.uniform(0, 20, 2 * rng.integers(1, 12)))
        said = words(*zip(times[::2].tolist(), times[1::2].tolist(), strict=True))
        edges = np.sort(rng.uniform(0, 20, 2 * rng.integers(1, 12)))
        pauses = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
        last, words_before = 0.0, 0
        for before, time_s in choose_cuts(said, pauses, 20.0):
            assert any(start < time_s < end for start, end in pauses)
            assert not any(word.start_s < time_s < word.end_s for word in said)
            assert [word.end_s <= time_s for word in said] == [place < before for place in range(len(said))]
            assert time_s - last >= LEAST_PIECE_S
            assert 20 - time_s >= LEAST_PIECE_S
            assert words_before < before < len(said)
            last, words_before, cuts = time_s, before, cuts + 1
    assert cuts > 100
    assert LEAST_PAUSE_S > 0
