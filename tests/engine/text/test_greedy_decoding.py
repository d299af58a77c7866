"""Greedy decoding against transformers' tokenizer and a loop over frames."""

import itertools

import numpy as np
import pytest

from engine.text.confidence import frame_confidence, peak_confidence
from engine.text.ctc import decode_words, text_of, words_of_path
from engine.text.vocabulary import Vocabulary

ENGLISH = Vocabulary.english()


def speechlike(seed: int, frames: int = 300, vocabulary: Vocabulary = ENGLISH) -> np.ndarray:
    """Logits whose best path has runs of letters, blanks, separators, and now and then a special token."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(frames, len(vocabulary))).astype(np.float32)
    path, frame = np.zeros(frames, int), 0
    while frame < frames:
        length = int(rng.integers(1, 5))
        path[frame : frame + length] = rng.choice([0, 0, 4, int(rng.integers(1, len(vocabulary)))])
        frame += length
    logits[np.arange(frames), path] += rng.uniform(3, 12, frames)
    return logits


def one_by_one(logits: np.ndarray, vocabulary: Vocabulary, stride_s: float, offset_s: float, temperature: float):
    """The definition: (word, start, end, least confidence) of each word."""
    path = logits.argmax(axis=1)
    words, letters, frames = [], [], []

    def close():
        if letters:
            words.append(
                (
                    "".join(letters),
                    round(offset_s + frames[0] * stride_s, 4),
                    round(offset_s + (frames[-1] + 1) * stride_s, 4),
                    min(entropy_confidence(logits[frame], temperature) for frame in frames),
                )
            )
        letters.clear()
        frames.clear()

    for token, run in itertools.groupby(range(len(path)), key=lambda frame: path[frame]):
        name = vocabulary.tokens[token]
        if name == vocabulary.separator:
            close()
        elif token != vocabulary.blank and name not in vocabulary.specials:
            letters.append(name)
            frames.extend(run)
    close()
    return words


def entropy_confidence(row: np.ndarray, temperature: float) -> float:
    scaled = row.astype(np.float64) / temperature
    p = np.exp(scaled - scaled.max())
    p /= p.sum()
    alpha = 1 / 3

    def entropy(q):
        return (1 - (q**alpha).sum()) / (alpha - 1)

    worst = np.exp(-entropy(np.full(len(p), 1 / len(p))))
    return (np.exp(-entropy(p)) - worst) / (1 - worst)


@pytest.mark.parametrize("seed", range(6))
def test_words_times_and_confidences_are_those_of_the_definition(seed):
    logits = speechlike(seed)
    found = decode_words(logits, ENGLISH, 0.02, 1.5, temperature=0.7)
    wanted = one_by_one(logits, ENGLISH, 0.02, 1.5, 0.7)
    assert [(word.word, word.start_s, word.end_s) for word in found] == [word[:3] for word in wanted]
    assert [word.confidence for word in found] == pytest.approx([word[3] for word in wanted], abs=1e-4)


def test_text_and_offsets_are_those_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    ENGLISH.save(tmp_path / "vocab.json")
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"))
    for seed in range(4):
        logits = speechlike(seed)
        logits[:, 1:4] -= 50  # its tokenizer writes <unk> as text
        theirs = tokenizer.decode(logits.argmax(axis=1), output_word_offsets=True)
        ours = decode_words(logits, ENGLISH, 1.0)
        assert text_of(ours) == " ".join(theirs.text.split())
        assert [(word.word, word.start_s, word.end_s) for word in ours] == [
            (item["word"], item["start_offset"], item["end_offset"]) for item in theirs.word_offsets if item["word"]
        ]


def test_tokens_of_several_letters_and_separators_that_are_spaces():
    vocabulary = Vocabulary(("<pad>", " ", "th", "e", "ン", "\u00a0"), 0, " ")
    path = [2, 2, 0, 3, 1, 1, 0, 1, 4, 0, 4, 1, 5, 1]
    logits = np.full((len(path), 6), -5, np.float32)
    logits[np.arange(len(path)), path] = 5
    found = decode_words(logits, vocabulary, 1.0)
    assert [(word.word, word.start_s, word.end_s) for word in found] == [("the", 0, 4), ("ンン", 8, 11)]


def test_nothing_said_gives_no_words():
    silence = np.zeros((50, 32), np.float32)
    silence[:, 0] = 9
    assert decode_words(silence, ENGLISH) == []
    assert decode_words(silence[:0], ENGLISH) == []
    assert words_of_path(np.full(50, 4), silence, ENGLISH) == []


def test_confidence_is_one_for_a_sure_frame_zero_for_an_even_one_and_zero_for_numbers_that_are_none():
    rows = np.zeros((4, 32), np.float32)
    rows[0, 5] = 200
    rows[2, 3] = np.nan
    rows[3] = -np.inf
    for measure in (frame_confidence, peak_confidence):
        with np.errstate(invalid="ignore"):
            found = measure(rows)
        assert found == pytest.approx([1, 0, 0, 0], abs=1e-5)


def test_a_lower_temperature_makes_surer_and_keeps_the_order_of_two_token_rows():
    rows = np.zeros((9, 2), np.float32)
    rows[:, 0] = np.linspace(0, 6, 9)
    warm, cold = frame_confidence(rows, 1.0), frame_confidence(rows, 0.5)
    assert (np.diff(warm) > 0).all()
    assert (cold[1:] > warm[1:]).all()
