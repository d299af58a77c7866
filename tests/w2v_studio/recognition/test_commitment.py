from dataclasses import replace

import numpy as np
import pytest

from engine.text.ctc import Word
from w2v_studio.recognition.commitment import CommitRule


def words(text, start=0.0, each=0.5, shift=0.0):
    """Words of 0.4 s, one each half second."""
    return [
        Word(word, start + each * place + shift, start + each * place + 0.4 + shift, 0.9)
        for place, word in enumerate(text.split())
    ]


def test_a_word_needs_two_equal_decodes_and_distance_from_the_edge():
    rule = CommitRule(0.64)
    rule.update(words("ONE TWO THREE"), edge_s=1.5)
    assert rule.texts == ("", "ONE TWO THREE")
    rule.update(words("ONE TWO TREE"), edge_s=1.6)
    assert rule.texts == ("ONE TWO", "TREE")  # TWO ended at 0.9, 0.7 s before the edge
    rule.update(words("ONE TWO TREE"), edge_s=2.0)
    assert rule.texts == ("ONE TWO", "TREE")  # equal now, but ended at 1.4
    rule.update(words("ONE TWO TREE"), edge_s=2.1)
    assert rule.texts == ("ONE TWO TREE", "")


def test_nothing_after_a_changed_word_is_committed():
    rule = CommitRule(0.64)
    rule.update(words("ONE TWO THREE FOUR"), edge_s=9)
    rule.update(words("ONE TOO THREE FOUR"), edge_s=9)
    assert rule.texts == ("ONE", "TOO THREE FOUR")


def test_committed_words_stay_when_the_model_changes_its_mind():
    rule = CommitRule(0.1)
    for _ in range(2):
        rule.update(words("ONE TWO"), edge_s=3)
    rule.update(words("WON TOO THREE"), edge_s=3)
    assert rule.texts == ("ONE TWO", "THREE")


@pytest.mark.parametrize("shift", [-0.15, -0.05, 0.05, 0.15, 0.3])
def test_words_that_move_between_decodes_are_not_committed_twice(shift):
    rule = CommitRule(0.1)
    for _ in range(2):
        rule.update(words("ONE TWO"), edge_s=3)
    rule.update(words("ONE TWO THREE", shift=shift), edge_s=3)
    assert rule.texts == ("ONE TWO", "THREE")


def test_a_one_frame_word_that_moves_is_not_committed_twice():
    rule = CommitRule(0.1)
    for _ in range(2):
        rule.update([Word("SUCH", 0.1, 0.4, 1), Word("A", 0.5, 0.52, 1)], edge_s=3)
    rule.update([Word("SUCH", 0.1, 0.4, 1), Word("A", 0.54, 0.56, 1), Word("DAY", 0.7, 1, 1)], edge_s=3)
    assert rule.texts == ("SUCH A", "DAY")


def test_repeated_words_are_all_kept():
    rule = CommitRule(0.3)
    said = "NO NO NO NO YES YES"
    for edge in np.arange(0.5, 5, 0.25):
        heard = [word for word in words(said) if word.end_s <= edge]
        rule.update(heard, edge)
    assert rule.texts == (said, "")


def test_an_unsure_word_waits_and_those_behind_it_with_it():
    rule = CommitRule(0.3, sure=0.6, patience_s=1.5)
    said = words("ONE TWO THREE")  # which end after 0.4, 0.9 and 1.4 s
    said[1] = replace(said[1], confidence=0.5)
    rule.update(said, 2.0)
    rule.update(said, 2.0)
    assert rule.texts == ("ONE", "TWO THREE")
    rule.update(said, 2.39)
    assert rule.texts == ("ONE", "TWO THREE")
    rule.update(said, 2.41)
    assert rule.texts == ("ONE TWO THREE", "")
    # Surer with more behind it, it need not wait.
    later = CommitRule(0.3, sure=0.6, patience_s=1.5)
    later.update(said, 2.0)
    later.update(words("ONE TWO THREE"), 2.0)
    assert later.texts == ("ONE TWO THREE", "")


def test_a_decode_behind_the_committed_words_has_none_of_them():
    rule = CommitRule(0.1)
    for _ in range(2):
        rule.update(words("NO NO"), edge_s=3)
    assert rule.texts == ("NO NO", "")
    # Said once more, at a time that was the committed word's a moment ago.
    again = words("NO YES", start=0.85)
    rule.update(again, edge_s=3, goes_on=True)
    assert rule.texts == ("NO NO", "NO YES")
    rule.update(again, edge_s=3, goes_on=True)
    assert rule.texts == ("NO NO NO YES", "")


def test_words_before_a_window_are_left_as_they_are():
    rule = CommitRule(9)
    rule.update(words("ONE TWO THREE"), edge_s=3)
    rule.leave(0.0)
    assert rule.texts == ("", "ONE TWO THREE")
    rule.leave(0.7)
    assert rule.texts == ("ONE TWO", "THREE")
    rule.update(words("TREE FOUR", start=1.0), edge_s=3, start_s=0.7, goes_on=True)
    assert rule.texts == ("ONE TWO", "TREE FOUR")


def test_words_leaving_the_window_are_committed_as_they_are():
    rule = CommitRule(0.64)
    rule.update(words("ONE TWO THREE"), edge_s=9, leaving_s=1.0)
    assert rule.texts == ("ONE TWO", "THREE")


def test_a_split_hands_later_words_on():
    rule = CommitRule(0.1)
    rule.update(words("ONE TWO THREE FOUR"), edge_s=1.9)
    rule.update(words("ONE TWO THREE FOUR"), edge_s=1.9)
    assert rule.texts == ("ONE TWO THREE", "FOUR")
    later = rule.split(0.9)
    assert rule.texts == ("ONE TWO", "")
    assert later.texts == ("THREE", "FOUR")


@pytest.mark.parametrize("seed", range(40))
def test_a_sliding_noisy_window_commits_every_word_once_and_in_order(seed):
    """A made-up speaker and a made-up decoder, whose newest words are wrong and whose times wobble."""
    rng = np.random.default_rng(seed)
    vocabulary = ["THE", "A", "CAT", "DOG", "SAT", "RAN", "ON", "NO", "OF"]
    truth, time_s = [], 0.3
    while time_s < 40:
        length = rng.uniform(0.1, 0.6)
        truth.append(Word(str(rng.choice(vocabulary)), time_s, time_s + length, 1.0))
        time_s += length + rng.uniform(0.04, 0.4)
    rule, shown = CommitRule(0.64), ""
    for edge in np.arange(0.5, 44, 0.32):
        start = max(0.0, edge - 8)
        heard = []
        for word in truth:
            if word.end_s > edge or word.start_s < start:
                continue
            wobble = rng.uniform(-0.06, 0.06)
            text = word.word if word.end_s < edge - 0.5 or rng.random() < 0.5 else "?"
            heard.append(Word(text, word.start_s + wobble, word.end_s + wobble, 1.0))
        rule.update(heard, edge, leaving_s=start + 2 if start else 0.0)
        committed, _ = rule.texts
        assert committed.startswith(shown)
        shown = committed
    assert shown == " ".join(word.word for word in truth)


def cut_by_the_window(word, start_s):
    """What is left of a word that begins before the window."""
    return Word(f"~{word.word}", start_s + 0.02, word.end_s, word.confidence) if word.start_s < start_s else word


@pytest.mark.parametrize("seed", range(60))
def test_windows_that_jump_and_change_their_length_lose_and_repeat_nothing(seed):
    """As above, with the hops and windows of a machine that is slow at times, and words cut at the window's start."""
    rng = np.random.default_rng(seed)
    vocabulary = ["THE", "A", "CAT", "DOG", "SAT", "RAN", "ON", "NO", "OF"]
    truth, time_s = [], 0.3
    while time_s < 40:
        length = rng.uniform(0.1, 0.5)
        truth.append(Word(str(rng.choice(vocabulary)), time_s, time_s + length, 1.0))
        time_s += length + rng.uniform(0.04, 0.3)
    rule, shown, edge = CommitRule(0.64), "", 0.5
    while edge < 44:
        window = float(rng.choice([2, 4, 8]))
        start = max(0.0, edge - window)
        if rule.committed and rng.random() < 0.5:
            start = max(start, min(rule.committed[-1].end_s - 1.5, edge - 2))
        heard = []
        for word in truth:
            if word.end_s > edge or word.end_s < start + 0.04:
                continue
            wobble = rng.uniform(-0.04, 0.04)
            seen = cut_by_the_window(word, start) if start else word
            text = seen.word if word.end_s < edge - 0.5 or rng.random() < 0.5 else "?"
            heard.append(Word(text, max(seen.start_s + wobble, start), seen.end_s + wobble, 1.0))
        leaving = edge - window + min(0.96, window / 4) + min(0.5, window / 4)
        rule.update(heard, edge, max(0.0, leaving), start)
        committed, _ = rule.texts
        assert committed.startswith(shown)
        shown = committed
        assert len(shown.split()) <= len(truth)
        edge += float(rng.choice([0.16, 0.32, 0.96]))
    # A window that jumps ahead may leave a guess behind it, in the right place.
    assert len(shown.split()) == len(truth)
    assert all(found in (word.word, "?") for found, word in zip(shown.split(), truth, strict=True))
    assert shown.split().count("?") <= 2
