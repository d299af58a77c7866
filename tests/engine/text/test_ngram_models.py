"""Kneser-Ney models against the textbook's recursion, against their own sums, and against KenLM."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from engine.text.ngram.arpa import write_arpa
from engine.text.ngram.backoff_model import perplexity
from engine.text.ngram.corpus import BEGIN, END, SPECIAL_WORDS, Normalizer, TextError, numbered, read_corpus
from engine.text.ngram.counts import count_ngrams
from engine.text.ngram.further_words import count_further, read_shares, with_words
from engine.text.ngram.kneser_ney import discounts, estimate, to_model
from engine.text.ngram.pruning import prune
from engine.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Sentences with the long tail of a language: words drawn by Zipf's law, each depending on the one before."""
    rng = np.random.default_rng(3)
    words = ["".join(rng.choice(list("ETAOINSHR"), int(rng.integers(2, 6)))) for _ in range(400)]
    lines = []
    for _ in range(1500):
        word, line = 0, []
        for _ in range(int(rng.integers(1, 9))):
            word = min((word % 5) + int(rng.zipf(1.5)), 400) - 1
            line.append(words[word])
        lines.append(" ".join(line))
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines))
    return path


def built(path, order=3, cut_offs=(), share=0.0, vocabulary_size=0, further=None):
    corpus = with_words(read_corpus([path], Normalizer(Vocabulary.english()), vocabulary_size), further or {})
    counts = count_ngrams(corpus.stream, len(corpus.words), order)
    counts[0] = count_further(counts[0], corpus, further or {})
    estimates = estimate(counts, cut_offs)
    if share:
        estimates = prune(counts, estimates, share)
    return corpus, to_model(corpus.words, counts, estimates)


def textbook(sentences, words, order):
    """p(word, history) by the definition, over dictionaries of word tuples; no cut-offs."""
    raw = [Counter() for _ in range(order + 1)]
    for sentence in sentences:
        marked = ("<s>", *sentence, "</s>")
        for length in range(1, order + 1):
            raw[length].update(marked[start : start + length] for start in range(len(marked) - length + 1))
    adjusted = [Counter() for _ in range(order + 1)]
    adjusted[order] = raw[order]
    for length in range(1, order):
        before = defaultdict(set)
        for gram in raw[length + 1]:
            before[gram[1:]].add(gram[0])
        for gram in raw[length]:
            adjusted[length][gram] = raw[length][gram] if gram[0] == "<s>" else len(before[gram])
    del adjusted[1][("<s>",)]
    taken = [None]
    for length in range(1, order + 1):
        n = Counter(adjusted[length].values())
        if all(n[count] for count in (1, 2, 3, 4)):
            y = n[1] / (n[1] + 2 * n[2])
            taken.append([0, *(count - (count + 1) * y * n[count + 1] / n[count] for count in (1, 2, 3))])
        else:
            taken.append([0, 0.5, 1.0, 1.5])

    def probability(word, history):
        length = len(history) + 1
        # at the bottom all words, </s> and <unk> alike
        lower = 1 / (len(words) + 2) if length == 1 else probability(word, history[1:])
        followers = {gram: count for gram, count in adjusted[length].items() if gram[:-1] == history}
        total = sum(followers.values())
        if total == 0:
            return lower
        own = adjusted[length].get((*history, word), 0)
        freed = sum(taken[length][min(count, 3)] for count in followers.values())
        return (own - taken[length][min(own, 3)] + freed * lower) / total

    return probability


def score(model, *words):
    """Probability of the last word after the others."""
    stream = np.array([model.words.index(word) for word in words], np.int32)
    return 10 ** model.log_probs(stream)[-1]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_are_those_of_the_textbook(text, order):
    corpus, model = built(text, order)
    sentences = [tuple(line.split()) for line in text.read_text().splitlines()]
    wanted = textbook(sentences, corpus.words[3:], order)
    rng = np.random.default_rng(0)
    names = corpus.words[3:]
    histories = [("<s>", *rng.choice(names, 1)) for _ in range(6)] + [tuple(rng.choice(names, 2)) for _ in range(20)]
    histories += [sentence[:2] for sentence in sentences[:20] if len(sentence) > 2]
    for history in histories:
        word = str(rng.choice([*names, "</s>"]))
        asked = tuple(map(str, history))[max(0, len(history) - order + 1) :] if order > 1 else ()
        assert score(model, *map(str, history), word) == pytest.approx(wanted(word, asked), rel=1e-9)


@pytest.mark.parametrize("further", [None, {"EMAIL": 0.01, "LAPTOP": 1e-9}])
@pytest.mark.parametrize(
    ("cut_offs", "share", "vocabulary_size"),
    [((0,), 0, 0), ((0, 0, 1), 0, 0), ((0, 1, 2), 0, 30), ((0,), 1e-4, 0), ((0, 0, 1), 3e-4, 40)],
)
def test_every_history_adds_up_to_one(text, cut_offs, share, vocabulary_size, further):
    corpus, model = built(text, 3, cut_offs, share, vocabulary_size, further)
    rng = np.random.default_rng(1)
    words = len(corpus.words)
    ends = np.array([word for word in range(words) if word != BEGIN], np.int32)
    for _ in range(25):
        history = rng.choice(corpus.stream[corpus.stream != END], int(rng.integers(0, 3))).astype(np.int32)
        scores = [model.log_probs(np.append(history, end).astype(np.int32))[-1] for end in ends]
        assert np.sum(10.0 ** np.array(scores)) == pytest.approx(1, abs=1e-9)


def test_words_that_the_text_lacks_are_as_likely_as_equally_rare_ones_of_the_text(text):
    corpus, _ = built(text)
    counts = np.bincount(corpus.stream, minlength=len(corpus.words))
    known = {corpus.words[number]: int(counts[number]) for number in range(len(SPECIAL_WORDS), len(corpus.words))}
    often = corpus.words[len(SPECIAL_WORDS)]
    shares = {"EMAIL": 20 / corpus.spoken_words, "LAPTOP": 1e-9, often: 0.5}
    assert "EMAIL" not in known
    _, model = built(text, further=shares)
    _, without = built(text)
    email, laptop = score(model, often, "EMAIL"), score(model, often, "LAPTOP")
    assert 0 < laptop < email
    alike = np.mean([score(model, word) for word, count in known.items() if 15 <= count <= 25])
    assert 0.5 < score(model, "EMAIL") / alike < 2
    # What the text has is left as it is, but for the little that the others take.
    assert model.words[: len(without.words)] == without.words
    assert score(model, often) == pytest.approx(score(without, often), rel=0.05)


def test_lists_of_words_that_cannot_be_used(tmp_path):
    path = tmp_path / "words.txt"
    normalizer = Normalizer(Vocabulary.english())
    path.write_text("email\t2e-6\n\nO'CLOCK\t0.5\n")
    assert read_shares(path, normalizer) == {"EMAIL": 2e-6, "O'CLOCK": 0.5}
    for line in ("EMAIL", "EMAIL\tmuch", "EMAIL\t1", "EMAIL\t0", "TWO WORDS\t1e-6", "E9\t1e-6", "\u0416\t1e-6"):
        path.write_text(f"FINE\t1e-6\n{line}\n")
        with pytest.raises(TextError, match=r"words\.txt, line 2"):
            read_shares(path, normalizer)


def test_kenlm_reads_the_same_scores_from_the_file(text, tmp_path):
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm")
    dictionary = pytest.importorskip("flashlight.lib.text.dictionary")
    for name, options in (("full.arpa", {}), ("cut.arpa.gz", {"cut_offs": (0, 0, 1), "share": 2e-4})):
        corpus, model = built(text, 3, **options)
        write_arpa(tmp_path / name, model)
        names = dictionary.Dictionary()
        for word in corpus.words:
            names.add_entry(word)
        theirs = kenlm.KenLM(str(tmp_path / name), names)
        ours = model.log_probs(corpus.stream)
        place = 0
        for sentence in sentences_of(corpus.stream)[:200]:
            state = theirs.start(False)
            for word in sentence:
                state, found = theirs.score(state, int(word))
                place += 1
                assert found == pytest.approx(ours[place], abs=1e-4)
            place += 1
            assert theirs.finish(state)[1] == pytest.approx(ours[place], abs=1e-4)
            place += 1


def sentences_of(stream):
    ends = np.flatnonzero(stream == END)
    return [stream[start + 1 : end] for start, end in zip([0, *(ends[:-1] + 1)], ends, strict=True)]


def test_what_pruning_says_a_bigram_is_worth_is_the_divergence_without_it(text):
    corpus = read_corpus([text], Normalizer(Vocabulary.english()))
    counts = count_ngrams(corpus.stream, len(corpus.words), 2)
    full = estimate(counts)
    table, unigram = counts[1], full[0].prob
    words = len(corpus.words)
    for row in range(0, len(table), 41):
        history, word = int(table.prefix[row]), int(table.word[row])
        followers = table.prefix == history
        seen = np.zeros(words, bool)
        seen[table.word[followers]] = True
        before = np.where(seen, 0, full[0].backoff[history] * unigram)
        before[table.word[followers]] = full[1].prob[followers]
        # Without the bigram, the word is backed off to like the unseen ones, whose weight is reckoned anew.
        stays = seen.copy()
        stays[word] = False
        weight = (1 - before[stays].sum()) / (1 - unigram[stays].sum())
        after = np.where(stays, before, weight * unigram)
        assert after.sum() == pytest.approx(1)
        foretold = np.arange(words) != BEGIN
        foretold &= before > 0
        divergence = (before * np.log(before / np.maximum(after, 1e-300), where=foretold, out=np.zeros(words))).sum()
        share = np.expm1(divergence * counts[0].count[history] / counts[0].count.sum())
        kept = prune(counts, full, share * 1.001)[1].kept
        assert not kept[row]
        assert prune(counts, full, share * 0.999)[1].kept[row]


def test_perplexity_is_that_of_the_words_and_ends_and_counts_unknown_words(text, tmp_path):
    corpus, model = built(text, 2, vocabulary_size=20)
    other = tmp_path / "other.txt"
    known = corpus.words[3]
    other.write_text(f"{known} ZZZZZ\n{known}")
    stream = numbered([other], Normalizer(Vocabulary.english()), model.words)
    found = perplexity(model, stream)
    assert (found.words, found.unknown) == (3, 1)
    wanted = [
        score(model, "<s>", known),
        score(model, "<s>", known, "<unk>", "</s>"),
        score(model, "<s>", known),
        score(model, "<s>", known, "</s>"),
    ]
    assert found.value == pytest.approx(math.prod(wanted) ** (-1 / 4))


def test_counts_of_every_length_are_those_of_a_loop(text):
    corpus = read_corpus([text], Normalizer(Vocabulary.english()))
    tables = count_ngrams(corpus.stream, len(corpus.words), 4)
    spelled = [[(word,) for word in range(len(corpus.words))]]
    for table in tables[1:]:
        spelled.append([(*spelled[-1][prefix], word) for prefix, word in zip(table.prefix, table.word, strict=True)])
    for length, (table, grams) in enumerate(zip(tables, spelled, strict=True), 1):
        wanted = Counter()
        for sentence in sentences_of(corpus.stream):
            marked = (BEGIN, *sentence.tolist(), END)
            wanted.update(marked[start : start + length] for start in range(len(marked) - length + 1))
        assert {gram: count for gram, count in zip(grams, table.count.tolist(), strict=True) if count} == wanted
        if length > 1:
            shorter = spelled[length - 2]
            assert all(shorter[row] == gram[1:] for row, gram in zip(table.suffix, grams, strict=True))
            assert (np.diff(table.prefix * len(corpus.words) + table.word) > 0).all()


def test_discounts_of_tiny_texts_are_the_fallback():
    assert discounts(np.array([1, 1, 2])) == (0.5, 1.0, 1.5)


def test_cut_offs_that_fall_are_refused(text):
    corpus = read_corpus([text], Normalizer(Vocabulary.english()))
    with pytest.raises(ValueError, match="fall"):
        estimate(count_ngrams(corpus.stream, len(corpus.words), 3), (0, 2, 1))


def test_one_sentence_of_one_word(tmp_path):
    path = tmp_path / "tiny.txt"
    path.write_text("HELLO")
    corpus, model = built(path)
    assert corpus.words == (*SPECIAL_WORDS, "HELLO")
    total = sum(score(model, "<s>", word) for word in ("HELLO", "</s>", "<unk>"))
    assert total == pytest.approx(1)
    assert score(model, "<s>", "HELLO") > 0.4


def test_a_word_begins_sentences_as_often_as_counted(text):
    corpus, model = built(text, 2)
    firsts = Counter(int(sentence[0]) for sentence in sentences_of(corpus.stream))
    first, count = firsts.most_common(1)[0]
    share = count / sum(firsts.values())
    assert score(model, "<s>", corpus.words[first]) == pytest.approx(share, rel=0.05)
    assert all(length > 0 for length in map(len, model.grams))
