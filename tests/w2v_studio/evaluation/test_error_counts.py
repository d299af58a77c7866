"""Error counts and intervals, against torchaudio and scipy."""

import numpy as np
import pytest
import scipy.stats
from torchaudio.functional import edit_distance

from w2v_studio.evaluation.clips import EvaluationError, read_clips
from w2v_studio.evaluation.error_counts import compare, error_rates, wer_ratio
from w2v_studio.evaluation.word_alignment import align, matches, revised


def random_pairs(count, seed=0, longest=9):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield tuple(list(rng.choice(list("ABCD"), int(rng.integers(0, longest)))) for _ in range(2))


def test_counts_are_the_edit_distance_and_lead_from_one_text_to_the_other():
    for reference, hypothesis in random_pairs(300):
        pairs = align(reference, hypothesis)
        found = compare("x", " ".join(reference), " ".join(hypothesis))
        assert found.word_errors == edit_distance(reference, hypothesis)
        assert found.character_errors == edit_distance(" ".join(reference), " ".join(hypothesis))
        assert found.insertions - found.deletions == len(hypothesis) - len(reference)
        assert [place for place, _ in pairs if place is not None] == list(range(len(reference)))
        assert [column for _, column in pairs if column is not None] == list(range(len(hypothesis)))


def test_an_unfinished_text_is_compared_with_the_beginning_that_fits_best():
    for reference, hypothesis in random_pairs(300, seed=1):
        distances = [edit_distance(reference[:end], hypothesis) for end in range(len(reference) + 1)]
        pairs = align(reference, hypothesis, "shortest")
        used = [place for place, _ in pairs if place is not None]
        assert len(used) == distances.index(min(distances))
        wrong = sum(a is None or b is None or reference[a] != hypothesis[b] for a, b in pairs)
        assert wrong == min(distances)


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("", "A B", 0),
        ("A B", "A B C", 0),
        ("A B", "A X", 1),
        ("A B C", "A", 2),
        ("A C", "A B C", 0),
        ("SEV", "SEVEN UP", 1),
    ],
)
def test_revised_words(before, after, count):
    assert revised(before.split(), after.split()) == count


def test_right_words_of_an_unfinished_text():
    assert matches(["ONE", "TWO", "ONE", "TWO"], ["ONE"]) == [0]
    assert matches(["ONE", "TWO", "THREE"], ["ONE", "TOO", "THREE"]) == [0, 2]


def test_intervals_are_those_of_a_paired_bootstrap():
    rng = np.random.default_rng(5)
    utterances = []
    for place in range(60):
        words = [str(number) for number in rng.integers(0, 9, int(rng.integers(1, 20)))]
        heard = [word if rng.uniform() > 0.2 else "x" for word in words]
        utterances.append(compare(str(place), " ".join(words), " ".join(heard)))
    rates = error_rates(utterances)
    errors = np.array([found.substitutions for found in utterances])
    counts = np.array([len(found.reference.split()) for found in utterances])
    assert rates.wer == pytest.approx(errors.sum() / counts.sum())
    independent = scipy.stats.bootstrap(
        (errors, counts),
        lambda one, other, axis: one.sum(axis=axis) / other.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=4000,
        random_state=1,
    ).confidence_interval
    assert rates.wer_95 == pytest.approx((independent.low, independent.high), abs=0.012)
    assert error_rates(utterances) == rates  # the same every time


def test_ratio_of_two_texts_of_the_same_recordings():
    better = [compare("a", "A B C D", "A B C X")] * 10
    worse = [compare("a", "A B C D", "A B X X")] * 10
    assert wer_ratio(better, worse) == (0.5, (0.5, 0.5))
    assert np.isnan(wer_ratio([compare("a", "A", "A")], [compare("a", "A", "A")])[0])


def test_manifests_and_what_is_wrong_with_them(tmp_path):
    manifest = tmp_path / "m.tsv"
    manifest.write_text('path\tduration_s\ttranscript\na/1.wav\t1\tA  "B\nb/2.wav\t1\t\n', encoding="utf-8")
    selection = read_clips(manifest)
    assert [(clip.path, clip.reference) for clip in selection.clips] == [(tmp_path / "a/1.wav", 'A "B')]
    assert selection.unlabelled == 1
    for only, message in (("[", "not a regular expression"), ("^b", "no row with a transcript whose path matches")):
        with pytest.raises(EvaluationError, match=message):
            read_clips(manifest, only)
    manifest.write_text("path\tduration_s\nx\t1\n")
    with pytest.raises(EvaluationError, match="has no column transcript"):
        read_clips(manifest)
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_clips(tmp_path / "absent.tsv")
    manifest.write_bytes(b"path\ttranscript\n\xff\xfe")
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_clips(manifest)
