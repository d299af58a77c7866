"""Language models adapted to texts: against the definition over dictionaries of words, and against their own sums."""

from collections import Counter

import numpy as np
import pytest

from engine.__main__ import main as engine
from engine.text.ngram.adaptation import PRIORS, adapted, sentence_mark
from engine.text.ngram.packed import read_marks, read_packed, write_packed

SENTENCES = [line.split() for line in ("ETA ROSE AGAIN", "ETA ROSE", "TONI SAW ETA AND TONI ROSE", "AGAIN AGAIN ROSE")]


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The words and levels of a model of random sentences, in which some words of SENTENCES come."""
    folder = tmp_path_factory.mktemp("lm")
    rng = np.random.default_rng(4)
    names = ["ETA", "ROSE", "AND", "AGAIN", *("".join(rng.choice([*"ABCDEFGH"], 4)) for _ in range(40))]
    lines = [" ".join(names[min(rank, 43)] for rank in rng.zipf(1.3, rng.integers(1, 9))) for _ in range(400)]
    (folder / "text.txt").write_text("\n".join([*lines, "AND ETA ROSE AND"]) + "\n")
    made = ["build-lm", str(folder / "text.txt"), "--order", "3", "--prune", "0,0,1", "--out", str(folder / "lm.npz")]
    assert engine(made) == 0
    return read_packed(folder / "lm.npz")


def by_text(words, levels):
    """(log-probability, backoff) of each n-gram, a tuple of words."""
    found, texts = {}, [()]
    for length, level in enumerate(levels, 1):
        texts = [
            (*(texts[row] if length > 1 else ()), words[word])
            for row, word in zip(level.prefix.tolist(), level.word.tolist(), strict=True)
        ]
        found |= dict(zip(texts, zip(level.log_prob.tolist(), level.backoff.tolist(), strict=True), strict=True))
    return found


def looked_up(grams, history, word):
    """p(word | history) as ARPA files mean it."""
    if (*history, word) in grams:
        return 10 ** grams[*history, word][0]
    if not history:
        return 0.0
    return 10 ** grams.get(history, (0, 0.0))[1] * looked_up(grams, history[1:], word)


def counted(sentences, longest):
    counts = Counter()
    for sentence in sentences:
        marked = ("<s>", *sentence, "</s>")
        for length in range(1, longest + 1):
            counts.update(marked[start : start + length] for start in range(len(marked) - length + 1))
    return counts


def test_probabilities_are_those_of_the_definition(before):
    old, model = by_text(*before), adapted(*before, SENTENCES)
    new, counts = by_text(model.words, model.grams), counted(SENTENCES, 3)
    assert new.keys() == old.keys() | counts.keys()
    assert model.words[: len(before[0])] == tuple(before[0])
    assert set(model.words[len(before[0]) :]) == {"TONI", "SAW"}
    said = sum(count for gram, count in counts.items() if len(gram) == 1 and gram != ("<s>",))
    changed = 0
    for gram, (log_prob, _) in new.items():
        *history, word = gram
        if gram == ("<s>",):
            assert log_prob == -99
            continue
        if gram in old:
            own = 10 ** old[gram][0]
        elif history:
            # Where only the texts have the history, nothing was known after it.
            own = 10 ** old.get(tuple(history), (0, 0.0))[1] * looked_up(new, tuple(history[1:]), word)
        else:
            own = 0.0
        total = counts[tuple(history)] if history else said
        if history and tuple(history) not in counts:
            total = 0
        prior = PRIORS[len(gram) - 1]
        wanted = (counts[gram] + prior * own) / (total + prior) if total else own
        changed += total > 0 and len(gram) > 1
        assert 10**log_prob == pytest.approx(wanted, rel=1e-4), gram
    assert changed > 20


def test_every_history_adds_up_to_one(before):
    model = adapted(*before, SENTENCES)
    grams = by_text(model.words, model.grams)
    ends = [word for word in model.words if word != "<s>"]
    histories = [(), ("<s>",), ("TONI",), ("ETA", "ROSE"), ("<s>", "TONI"), ("SAW", "ETA"), ("AND", "ETA")]
    histories += [gram for gram in list(grams)[:: len(grams) // 20] if len(gram) < 3 and gram[-1] != "</s>"]
    for history in histories:
        total = sum(looked_up(grams, history, word) for word in ends)
        assert total == pytest.approx(1, abs=1e-4), history


def test_the_texts_are_likelier_and_others_hardly_less(before):
    old, model = by_text(*before), adapted(*before, SENTENCES)
    new = by_text(model.words, model.grams)

    def log_prob(grams, words):
        marked = ("<s>", *words, "</s>")
        return sum(
            np.log(looked_up(grams, marked[max(0, place - 2) : place], marked[place]))
            for place in range(1, len(marked))
        )

    assert log_prob(new, ["ETA", "ROSE", "AGAIN"]) > log_prob(old, ["ETA", "ROSE", "AGAIN"]) + 0.05
    assert np.isfinite(log_prob(new, ["TONI", "ROSE"]))
    other = [before[0][word] for word in (8, 9, 10)]
    assert log_prob(new, other) == pytest.approx(log_prob(old, other), abs=0.1)


def test_a_file_tells_which_sentences_it_knows(before, tmp_path):
    model, path = adapted(*before, SENTENCES), tmp_path / "lm.npz"
    write_packed(path, model)
    assert read_marks(path) == set()
    marks = {sentence_mark(sentence) for sentence in SENTENCES}
    assert len(marks) == len(SENTENCES)
    write_packed(path, model, marks)
    assert read_marks(path) == marks
    assert tuple(read_packed(path)[0]) == model.words
