"""The search for words by phones, against all texts there are: with a forward sum and an ARPA reader of its own."""

import collections
import gzip
import itertools
import math

import numpy as np
import pytest

from engine.__main__ import main as engine
from engine.text.ngram.ngram_states import LN_10
from w2v_studio.recognition.decoding.drawn_texts import NO_WORD
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE
from w2v_studio.recognition.decoding.ngram_file import read_ngrams
from w2v_studio.recognition.decoding.settings import DecodingError
from w2v_studio.recognition.decoding.word_search import SearchWeights, Surroundings, WordSearch
from w2v_studio.recognition.decoding.word_tree import WordTree

# Tokens 1 to 5; two words sound alike, one has two ways, one is the beginning of another, one has a sound twice.
WORDS = {"SEE": [[1, 2]], "SEA": [[1, 2]], "THE": [[3, 4], [3, 2]], "SEED": [[1, 2, 3]], "ALL": [[4, 5, 5]], "A": [[4]]}
TEXT = "SEE THE SEA\nSEE ALL SEED\nA SEED\nTHE SEE THE\nSEE THE SEED\nALL A SEA\n" * 2
TOKENS = 6


def forward(scores, labels):
    """log p(labels) by CTC over scores (frames, tokens), token 0 the blank."""
    states = [0]
    for label in labels:
        states += [label, 0]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = scores[0][states[:2]]
    for row in scores[1:]:
        from_ = [alpha, np.append(-np.inf, alpha[:-1])]
        skips = [place > 1 and state != 0 and state != states[place - 2] for place, state in enumerate(states)]
        from_.append(np.where(skips, np.concatenate(([-np.inf] * 2, alpha))[: len(states)], -np.inf))
        alpha = np.logaddexp.reduce(from_, axis=0) + row[states]
    return float(np.logaddexp.reduce(alpha[-2:]))


class ArpaFile:
    """Log-probabilities straight from the definition of back-off."""

    def __init__(self, text):
        self.tables, order = {}, 0
        for line in text.splitlines():
            if line.startswith("\\") and line.endswith("-grams:"):
                order = int(line[1 : line.index("-")])
            elif order and len(fields := line.split()) > order:
                back = float(fields[order + 1]) if len(fields) > order + 1 else 0.0
                self.tables[tuple(fields[1 : order + 1])] = (float(fields[0]), back)
        self.order = order

    def log_p(self, history, word):
        if (*history, word) in self.tables:
            return self.tables[(*history, word)][0]
        if not history:
            return self.tables.get(("<unk>",), (-100.0, 0.0))[0]
        return self.tables.get(history, (0.0, 0.0))[1] + self.log_p(history[1:], word)

    def of(self, words):
        text = ("<s>", *words, "</s>")
        last = self.order - 1
        return LN_10 * sum(self.log_p(text[max(0, at - last) : at], text[at]) for at in range(1, len(text)))


@pytest.fixture(
    scope="module", params=[("2", "0"), ("3", "0"), ("4", "0,0,1,1")], ids=["bigrams", "trigrams", "4-grams"]
)
def arpa(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text(TEXT)
    order, prune = request.param
    made = [
        "build-lm",
        str(folder / "text.txt"),
        "--order",
        order,
        "--prune",
        prune,
        "--out",
        str(folder / "lm.arpa.gz"),
    ]
    assert engine(made) == 0
    return folder / "lm.arpa.gz"


def search_with(model):
    numbers = np.array([model.word(name) for name in WORDS], np.int32)
    worth, _ = model.score(np.full(len(numbers), model.start, np.int32), numbers)
    return WordSearch(WordTree([*WORDS.values()], worth), model, numbers, np.zeros_like(worth), blank=0)


def random_scores(seed, frames=7, sharpness=2.0):
    logits = np.random.default_rng(seed).normal(0, sharpness, (frames, TOKENS)).astype(np.float32)
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def likeliest(scores, definition, weights, most=4):
    """(score, text) of the best texts of up to `most` words, and None for a beginning of one."""
    found = []
    for count in range(most + 1):
        for text in itertools.product(WORDS, repeat=count):
            ways = itertools.product(*(WORDS[word] for word in text))
            sounds = [forward(scores, [*itertools.chain(*way)]) for way in ways]
            price = weights.lm_weight * definition.of(text) + weights.word_score * count
            found.append((float(np.logaddexp.reduce(sounds)) + price, text))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sharpness", [2.0, 4.0])
def test_it_finds_the_likeliest_of_all_texts(arpa, seed, sharpness):
    scores = random_scores(seed, sharpness=sharpness)
    weights = SearchWeights(beam=2000, lm_weight=0.7, word_score=1.0)
    spoken = search_with(read_ngrams(arpa)).best(scores, weights)
    text = tuple(list(WORDS)[word] for word in spoken.words if word != NO_WORD)
    found = likeliest(scores, ArpaFile(gzip.decompress(arpa.read_bytes()).decode()), weights)
    # Where texts go the same way from a frame on, only the likeliest until then is kept.
    assert {text: score for score, text in reversed(found)}[text] >= found[0][0] - (0.1 if sharpness > 3 else 0.5), (
        found[:3]
    )
    # And it tells where: the path says one of the word's ways.
    path = [token for token, _ in itertools.groupby(spoken.tokens) if token != 0]
    assert path in [[*itertools.chain(*way)] for way in itertools.product(*(WORDS[word] for word in text))] or any(
        np.diff(spoken.tokens) == 0
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("before", [("SEE", "THE"), ("ALL",), ("SEE", "ALL", "A")])
def test_words_said_before_count(arpa, seed, before):
    scores, weights = random_scores(seed, sharpness=4.0), SearchWeights(beam=2000, lm_weight=2.0, word_score=1.0)
    model, definition = read_ngrams(arpa), ArpaFile(gzip.decompress(arpa.read_bytes()).decode())

    class Behind:
        """Prices of what is said behind `before`."""

        @staticmethod
        def of(words):
            text, last = (*before, *words, "</s>"), definition.order - 1
            places = range(len(before), len(text))
            return LN_10 * sum(definition.log_p(text[max(0, at - last) : at], text[at]) for at in places)

    around = Surroundings(tuple(model.word(word) for word in before))
    spoken = search_with(model).best(scores, weights, around)
    text = tuple(list(WORDS)[word] for word in spoken.words if word != NO_WORD)
    found = likeliest(scores, Behind, weights)
    assert {text: score for score, text in reversed(found)}[text] >= found[0][0] - 0.1, found[:3]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sharpness", [1.0, 2.0])
def test_texts_are_drawn_as_often_as_they_are_likely(arpa, seed, sharpness):
    scores, weights = random_scores(seed, frames=6, sharpness=sharpness), SearchWeights(5000, 0.7, 0.5)
    spoken = search_with(read_ngrams(arpa)).best(scores, weights, keep_all=True)
    drawn = spoken.followed.draw(4000, sharpness=1.0)
    texts = collections.Counter(tuple(list(WORDS)[word] for word in row if word != NO_WORD) for row in drawn)
    found = likeliest(scores, ArpaFile(gzip.decompress(arpa.read_bytes()).decode()), weights)
    total = np.logaddexp.reduce([score for score, _ in found])
    for score, text in found[:12]:
        share = math.exp(score - total)
        # Four standard deviations of so many draws, and what texts of more than four words have.
        assert abs(texts[text] / 4000 - share) < 4 * math.sqrt(share / 4000) + 0.01, (text, share)
    assert len(texts) > 12


def test_what_is_followed_is_not_needed_for_the_best(arpa):
    search, scores, weights = search_with(read_ngrams(arpa)), random_scores(2, frames=30), SearchWeights(20, 0.7, 0.5)
    with_all, without = search.best(scores, weights, keep_all=True), search.best(scores, weights)
    assert without.followed is None
    assert with_all.words.tolist() == without.words.tolist()
    assert with_all.tokens.tolist() == without.tokens.tolist()
    drawn = with_all.followed.draw(50)
    assert drawn.tolist() == with_all.followed.draw(50).tolist()  # no other words from one run to the next
    clear = search.best(3 * sure_of([1, 2, 0, 4, 0, 3, 4]), weights, keep_all=True).followed.draw(200)
    said = collections.Counter(tuple(list(WORDS)[word] for word in row if word != NO_WORD) for row in clear)
    assert said.keys() == {("SEE", "A", "THE"), ("SEA", "A", "THE")}  # which sound alike


def sure_of(tokens):
    scores = np.full((len(tokens), TOKENS), -9.0, np.float32)
    scores[range(len(tokens)), tokens] = -0.001
    return scores


def named(spoken):
    return [list(WORDS)[word] for word in spoken.words if word != NO_WORD]


def test_where_the_speech_goes_on_an_unfinished_word_is_none(arpa):
    search, weights = search_with(read_ngrams(arpa)), SearchWeights(50, 0.5, 0.0)
    beginning, whole = sure_of([1, 2, 0, 4, 0, 3]), sure_of([1, 2, 0, 4, 0, 3, 4])
    goes_on = Surroundings(is_whole=False)
    assert named(search.best(beginning, weights, goes_on)) == ["SEE", "A"]
    assert search.best(beginning, weights, goes_on).tokens.tolist() == [1, 2, 0, 4, 0, 3]
    assert named(search.best(whole, weights, goes_on)) == ["SEE", "A", "THE"]
    # So it is for the texts that may have been said.
    drawn = search.best(3 * beginning, weights, goes_on, keep_all=True).followed.draw(100)
    assert collections.Counter(sum(word != NO_WORD for word in row) for row in drawn).most_common(1)[0][0] == 2
    # Of what is whole, every sound must be part of a word.
    assert named(search.best(beginning, weights)) != ["SEE", "A"]


def test_the_last_sound_of_the_word_before_may_go_on(arpa):
    model = read_ngrams(arpa)
    search, weights = search_with(model), SearchWeights(50, 0.5, 0.0)
    scores = sure_of([2, 2, 0, 4])
    see = (model.word("SEE"),)
    spoken = search.best(scores, weights, Surroundings(see, sounding=2))
    assert (named(spoken), spoken.tokens.tolist(), spoken.lead) == (["A"], [2, 2, 0, 4], 2)
    # A word that begins with the same sound is another one.
    again = search.best(sure_of([4, 0, 4]), weights, Surroundings((model.word("A"),), sounding=4))
    assert (named(again), again.lead) in ((["A"], 1), (["A", "A"], 0))
    assert search.best(scores, weights, Surroundings(see)).tokens.tolist() != [2, 2, 0, 4]


def test_the_last_sound_of_a_word_may_go_on(arpa):
    scores = np.full((6, TOKENS), -9.0, np.float32)
    for frame, token in enumerate([1, 2, 2, 2, 0, 4]):
        scores[frame, token] = -0.001
    spoken = search_with(read_ngrams(arpa)).best(scores, SearchWeights(50, 0.5, 0.0))
    assert spoken.tokens.tolist() == [1, 2, 2, 2, 0, 4]
    assert [frame for frame, word in enumerate(spoken.words) if word != NO_WORD] == [1, 5]


def test_a_narrow_beam_still_gives_words(arpa):
    spoken = search_with(read_ngrams(arpa)).best(random_scores(1, frames=40), SearchWeights(1, 0.5, 0.0))
    assert len(spoken.tokens) == 40
    assert spoken.words.max() < len(WORDS)


def test_frames_with_nothing_to_follow(arpa):
    spoken = search_with(read_ngrams(arpa)).best(np.full((4, TOKENS), IMPOSSIBLE, np.float32), SearchWeights(9, 0.5, 0))
    assert spoken.words.tolist() == [NO_WORD] * 4
    assert (
        search_with(read_ngrams(arpa)).best(np.zeros((0, TOKENS), np.float32), SearchWeights(9, 0.5, 0)).words.size == 0
    )


def test_scores_after_any_history_are_those_of_the_definition(arpa):
    definition = ArpaFile(gzip.decompress(arpa.read_bytes()).decode())
    model = read_ngrams(arpa)
    rng = np.random.default_rng(3)
    names = [*WORDS, "UNHEARD"]
    texts = [tuple(rng.choice(names, 6)) for _ in range(200)]
    histories = np.full(len(texts), model.start, np.int32)
    total = np.zeros(len(texts))
    for place in range(6):
        said, histories = model.score(histories, np.array([model.word(text[place]) for text in texts], np.int32))
        total += said
    total += model.finish(histories)
    np.testing.assert_allclose(total, [definition.of(text) for text in texts], rtol=1e-5)


def test_histories_that_leave_nothing_behind_are_one(arpa):
    """A word that no longer n-gram begins with says nothing about what follows: fewer hypotheses to tell apart."""
    model = read_ngrams(arpa)
    unheard = np.array([model.word("UNHEARD")] * 2, np.int32)
    _, after = model.score(np.array([model.start, 1 + model.word("SEE")], np.int32), unheard)
    assert after.tolist() == [0, 0]


def test_back_offs_left_out_and_no_unknown_word(tmp_path):
    text = "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1\t<s>\n-0.5\t</s>\n-0.7\tA\t-0.2\n-0.9\tSEE\n\n"
    text += "\\2-grams:\n-0.1\tA SEE\n-0.3\t<s> A\n\n\\end\\\n"
    (tmp_path / "lm.arpa").write_text(text)
    model, definition = read_ngrams(tmp_path / "lm.arpa"), ArpaFile(text)
    for words in ([], ["A"], ["SEE", "A"], ["A", "SEE", "SEE"], ["A", "UNHEARD", "A"]):
        total, history = 0.0, np.array([model.start], np.int32)
        for word in words:
            said, history = model.score(history, np.array([model.word(word)], np.int32))
            total += float(said[0])
        assert math.isclose(total + float(model.finish(history)[0]), definition.of(words), rel_tol=1e-5), words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no ARPA file"),
        ("mmap lm http://kheafield.com/code format version 5\n", "no ARPA file"),
        ("\\1-grams:\n-1\tA\n-x\tB\n\\end\\\n", "no numbers"),
        ("\\1-grams:\n-1\tA\n\\2-grams:\n-1\tA B\n\\end\\\n", "'B'"),
        ("\\1-grams:\n-1\tA\n-1\tB C D\n\\end\\\n", "too few or too many"),
        (
            "\\1-grams:\n-1\tA\n\\2-grams:\n-1\tA A\n\\3-grams:\n-1\tA A A\n-1\tA A A A A\n\\end\\\n",
            "too few or too many",
        ),
        ("\\1-grams:\n-1\tA\n-1\tB\n\\2-grams:\n-1\tA A\n\\3-grams:\n-1\tB A A\n\\end\\\n", "damaged"),
    ],
)
def test_files_that_are_no_language_models(tmp_path, text, message):
    (tmp_path / "lm.arpa").write_text(text)
    with pytest.raises(DecodingError, match=message):
        read_ngrams(tmp_path / "lm.arpa")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DecodingError, match="there is no language model"):
        read_ngrams(tmp_path / "lm.arpa")
    (tmp_path / "lm.arpa.gz").write_bytes(gzip.compress(b"\\1-grams:\n-1\tA\n")[:-9])
    with pytest.raises(DecodingError, match="cannot be read"):
        read_ngrams(tmp_path / "lm.arpa.gz")
    packed = bytearray(gzip.compress("".join(f"{place} {place**3}\n" for place in range(500)).encode()))
    packed[200:260] = bytes(60)
    (tmp_path / "lm.arpa.gz").write_bytes(packed)
    with pytest.raises(DecodingError, match="cannot be read"):
        read_ngrams(tmp_path / "lm.arpa.gz")


def test_the_tree_has_every_way_once():
    worth = np.array([-1, -2, -3, -4, -5, -6], np.float32)
    tree = WordTree([*WORDS.values()], worth)
    found = {}

    def walk(node, way):
        for place in range(tree.first_word[node], tree.first_word[node + 1]):
            found.setdefault(list(WORDS)[tree.words[place]], []).append(way)
        below = [*worth[tree.words[tree.first_word[node] : tree.first_word[node + 1]]]]
        for child in range(tree.first_child[node], tree.first_child[node + 1]):
            assert tree.parents[child] == node
            below.append(walk(child, [*way, int(tree.tokens[child])]))
        assert node == 0 or tree.best[node] == max(below)
        return max(below)

    walk(0, [])
    assert {word: sorted(ways) for word, ways in found.items()} == {word: sorted(ways) for word, ways in WORDS.items()}
    assert tree.best[0] == 0
    assert len(tree) == 10
    again = WordTree([[*ways, ways[0]] for ways in WORDS.values()], worth)
    assert len(again.words) == len(tree.words)
