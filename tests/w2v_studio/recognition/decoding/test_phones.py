"""Words found by their phones and a language model: against a search through all texts, and by hand."""

import itertools
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from engine.__main__ import main as engine
from engine.text.ctc import text_of
from engine.text.pronunciation import phone_vocabulary
from engine.text.vocabulary import Vocabulary
from w2v_studio.bundles import find_bundle
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.decoder import mode_used
from w2v_studio.recognition.decoding.emissions import IMPOSSIBLE, emissions, mean_of_runs
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.phone_words import LEAST_OF_PHONES
from w2v_studio.recognition.decoding.settings import DecodingError, DecodingSettings, Hotword

ENGLISH = Vocabulary.english()
PHONES = phone_vocabulary(("AH", "D", "IY", "R", "S", "T"))
WORDS = {"SEE": ["S IY"], "SEA": ["S IY"], "THE": ["D AH", "D IY"], "SEED": ["S IY D"], "TREE": ["T R IY"], "A": ["AH"]}
TEXT = "SEE THE SEA\nSEE A TREE\nA SEED\nTHE TREE\nSEE THE SEED\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text(TEXT * 3)
    assert engine(["build-lm", str(folder / "text.txt"), "--out", str(folder / "lm.arpa"), "--prune", "0"]) == 0
    lines = [f"{word}\t{way}\n" for word, ways in WORDS.items() for way in ways]
    (folder / "lexicon.txt").write_text("".join(lines))
    return folder


def decoder(files, **weights) -> LanguageModelDecoder:
    given = DecodingDefaults(**weights)
    return LanguageModelDecoder(ENGLISH, 0.02, files / "lm.arpa", files / "lexicon.txt", given, PHONES)


def said(phones: str, height: float = 10) -> np.ndarray:
    """Logits of letters, which say nothing, and of phones; "-" is the blank, one symbol a frame."""
    symbols = phones.split()
    logits = np.zeros((len(symbols), len(ENGLISH) + len(PHONES)), np.float32)
    logits[:, ENGLISH.tokens.index("Q")] = 30
    for frame, symbol in enumerate(symbols):
        logits[frame, len(ENGLISH) + (0 if symbol == "-" else PHONES.tokens.index(symbol))] = height
    return logits


def test_words_and_times_of_clear_phones(files):
    words = decoder(files).decode(said("- S S IY IY - D AH - - T R R IY IY -"), first_frame=50)
    assert [word.word for word in words] == ["SEE", "THE", "TREE"]
    frames = [(round(word.start_s / 0.02) - 50, round(word.end_s / 0.02) - 50) for word in words]
    assert frames == [(1, 5), (6, 8), (10, 15)]
    assert all(word.confidence > 0.9 for word in words)


def test_the_language_model_chooses_between_words_that_sound_alike(files):
    assert text_of(decoder(files).decode(said("S IY - D AH - S IY"))) == "SEE THE SEA"


def test_words_go_on_behind_those_that_were_said(files):
    some, logits = decoder(files), said("IY IY - - D AH - - T")
    (word,) = some.decode_on(logits, 50, ["A", "SEE"], is_whole=False)
    assert (word.word, round(word.start_s / 0.02) - 50, round(word.end_s / 0.02) - 50) == ("THE", 4, 6)
    assert [word.word for word in some.decode_on(said("- S IY -"), 0, ["SEE", "THE"], is_whole=True)] == ["SEA"]
    begun = some.decode_on(said("- S IY - D AH"), 0, [], is_whole=True)
    assert [word.word for word in begun] == [word.word for word in some.decode(said("- S IY - D AH"))] == ["SEE", "THE"]
    # Words that the language model does not know end in no sound that could go on.
    assert some.decode_on(said("- S IY -"), 0, ["XYLOPHONE"], is_whole=True)


def test_words_tell_what_else_they_may_be(files):
    one, the, other = decoder(files).decode(said("S IY - D AH - S IY"))
    assert (one.word, "SEA" in one.alternatives) == ("SEE", True)  # which sounds alike
    assert (other.word, "SEE" in other.alternatives) == ("SEA", True)
    assert the.word == "THE"
    # A word that nothing else sounds like is surer than those two.
    votes = decoder(files, confidence_votes=1.0).decode(said("S IY - D AH - S IY"))
    assert votes[1].confidence > max(votes[0].confidence, votes[2].confidence)
    assert all(other not in word.alternatives for word in votes for other in (word.word, ""))
    assert decoder(files).find(said("S IY"))[0].alternatives == ()  # which is for those who need none


def test_of_more_words_alike_than_fit_the_likeliest_stay(files, tmp_path, capfd):
    """Listed last, where the tree would have no room left for them."""
    rare = [f"S{letter}" for letter in "ABCDEFGHIJ"]
    alike = "".join(f"{word}\tS IY\n" for word in (*rare, "SEA", "SEE"))
    (tmp_path / "lexicon.txt").write_text(alike + "THE\tD AH\n")
    made = LanguageModelDecoder(ENGLISH, 0.02, files / "lm.arpa", tmp_path / "lexicon.txt", DecodingDefaults(), PHONES)
    assert text_of(made.decode(said("S IY - D AH - S IY"))) == "SEE THE SEA"
    assert "limit" not in "".join(capfd.readouterr())


def test_a_beginning_of_a_word_is_no_word(files):
    words = decoder(files).decode(said("S IY - D AH - T -"))
    assert [word.word for word in words][:2] == ["SEE", "THE"]
    assert all(word.word in WORDS for word in words)
    assert decoder(files).decode(said("- - -")) == []
    assert decoder(files).decode(said("S")[:0]) == []


def test_numbers_that_are_none(files):
    logits = np.full((9, len(ENGLISH) + len(PHONES)), np.nan, np.float32)
    assert all(0 <= word.confidence <= 1 for word in decoder(files, confidence_slope=1.0).decode(logits))


def _logsumexp(values):
    largest = max(values, default=-math.inf)
    return largest if largest == -math.inf else largest + math.log(sum(math.exp(value - largest) for value in values))


def _forward(scores, labels):
    """log p(labels) by CTC over scores (frames, tokens), token 0 the blank."""
    states = [0]
    for label in labels:
        states += [label, 0]
    alpha = [-math.inf] * len(states)
    alpha[0] = scores[0][0]
    if len(states) > 1:
        alpha[1] = scores[0][states[1]]
    for row in scores[1:]:
        new = []
        for place, state in enumerate(states):
            from_ = [alpha[place]] + ([alpha[place - 1]] if place else [])
            if place > 1 and state and state != states[place - 2]:
                from_.append(alpha[place - 2])
            new.append(_logsumexp(from_) + row[state])
        alpha = new
    return _logsumexp(alpha[-2:])


def _language_model(path):
    """Probabilities of an ARPA file by a reader of its own: word history -> log p, with back-off."""
    tables, order = {}, 0
    for line in path.read_text().splitlines():
        if line.startswith("\\") and line.endswith("-grams:"):
            order = int(line[1 : line.index("-")])
        elif "\t" in line and order:
            parts = line.split("\t")
            tables[tuple(parts[1].split())] = (float(parts[0]), float(parts[2]) if len(parts) > 2 else 0.0)

    def log_p(history, word):
        if (*history, word) in tables:
            return tables[(*history, word)][0]
        if not history:
            return tables[("<unk>",)][0]
        return tables.get(history, (0.0, 0.0))[1] + log_p(history[1:], word)

    def of(words):
        text = ["<s>", *words, "</s>"]
        return sum(log_p(tuple(text[max(0, place - 2) : place]), text[place]) for place in range(1, len(text)))

    return of


@pytest.mark.parametrize("merge_runs", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_the_best_of_all_texts_is_found(files, seed, merge_runs):
    """Each text of up to three words is scored by CTC's forward sum, by its own code, and an ARPA reader of its own."""
    rng = np.random.default_rng(seed)
    logits = said("- S - IY - D - AH - T - R - IY -".replace("IY", rng.choice(["IY", "AH"])), 2.5)
    logits[:, len(ENGLISH) :] += rng.normal(0, 1, (len(logits), len(PHONES)))
    logits[::2, len(ENGLISH)] += 3  # blanks keep the phones apart, so that runs need no merging
    log_priors = tuple(np.linspace(-4, -1, len(PHONES)).tolist())
    weights = {"lm_weight": 0.6, "word_score": -0.3, "prior_weight": 0.3, "log_priors": log_priors, "beam_width": 500}
    weights["merge_runs"] = merge_runs
    words = [word.word for word in decoder(files, **weights).decode(logits)]
    divided = logits[:, len(ENGLISH) :] - np.float32(0.3) * np.array(log_priors, np.float32)
    if merge_runs:
        given, _ = mean_of_runs(emissions(divided, PHONES, least=None), 0, LEAST_OF_PHONES)
    else:
        given = emissions(divided, PHONES, least=LEAST_OF_PHONES)
    model = _language_model(files / "lm.arpa")
    scored = []
    for count in range(4):
        for text in itertools.product(WORDS, repeat=count):
            for ways in itertools.product(*(WORDS[word] for word in text)):
                labels = [PHONES.tokens.index(phone) for way in ways for phone in way.split()]
                sound = _forward(given.scores.tolist(), labels)
                scored.append((sound + 0.6 * math.log(10) * model(text) - 0.3 * count, text))
    scored.sort(reverse=True)
    by_text = {text: score for score, text in reversed(scored)}
    # The search keeps sums over paths apart where words end at other frames: nearly as good is good enough.
    assert by_text[tuple(words)] >= scored[0][0] - 0.7, (words, scored[:3])


def test_of_a_run_of_frames_the_mean_counts():
    logits = said("- S S - S IY IY IY", 4)[:, len(ENGLISH) :]
    logits[6] *= 2
    given = emissions(logits, PHONES, 1.0, least=None)
    merged, runs = mean_of_runs(given, 0, -5.0)
    assert runs.tolist() == [0, 1, 1, 2, 3, 4, 4, 4]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    rows = [0, slice(1, 3), 3, 4, slice(5, 8)]
    means = np.stack([np.atleast_2d(log_probs[row]).mean(axis=0) for row in rows])
    np.testing.assert_allclose(merged.scores, np.where(means < -5, IMPOSSIBLE, means), rtol=1e-5)
    assert (merged.scores[-1] == IMPOSSIBLE).sum() == len(PHONES) - 1
    assert (merged.scores[0] > -5).all()


def test_frames_of_a_run_count_one_by_one_if_asked(files):
    """Three frames like AH better than the blank, by half a nat each; a word costs one nat."""
    logits = said("- AH AH AH -")
    logits[1:4, len(ENGLISH)] = 2.5
    logits[1:4, len(ENGLISH) + PHONES.tokens.index("AH")] = 3
    weights = {"lm_weight": 0.0, "word_score": -1.0}
    assert decoder(files, **weights, merge_runs=True).decode(logits) == []
    (word,) = decoder(files, **weights, merge_runs=False).decode(logits)
    assert (word.word, round(word.start_s / 0.02), round(word.end_s / 0.02)) == ("A", 1, 4)


def test_phones_need_a_lexicon(files):
    with pytest.raises(DecodingError, match="needs a lexicon"):
        LanguageModelDecoder(ENGLISH, 0.02, files / "lm.arpa", None, DecodingDefaults(), PHONES)


def test_a_bundle_with_phones_needs_no_flashlight_text(files, tmp_path, monkeypatch):
    """The language model is used by default then, live too, where there is no flashlight-text."""

    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(flashlight_text.importlib, "import_module", absent)
    bundle = find_bundle("small-en")
    assert mode_used(bundle, DecodingSettings()) == "lm"
    folder = tmp_path / "letters"
    folder.mkdir()
    shutil.copyfile(files / "lm.arpa", folder / "lm.arpa")
    for changed in (replace(bundle, folder=folder), replace(bundle, card=replace(bundle.card, phones=[]))):
        assert mode_used(changed, DecodingSettings()) == "greedy"
    assert text_of(decoder(files).decode(said("S IY - D AH - S IY"))) == "SEE THE SEA"


def test_a_binary_language_model_is_refused_for_phones(files, tmp_path):
    (tmp_path / "lm.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(500))
    with pytest.raises(DecodingError, match=r"lm\.bin.*ARPA"):
        LanguageModelDecoder(ENGLISH, 0.02, tmp_path / "lm.bin", files / "lexicon.txt", DecodingDefaults(), PHONES)


def with_hotwords(files, *hotwords):
    given = (ENGLISH, 0.02, files / "lm.arpa", files / "lexicon.txt", DecodingDefaults(), PHONES)
    return LanguageModelDecoder(*given, tuple(Hotword(*each) for each in hotwords))


def test_hotwords_are_words_that_are_likelier(files):
    logits = said("S IY - D AH - S IY")
    assert text_of(decoder(files).decode(logits)) == "SEE THE SEA"
    assert text_of(with_hotwords(files, ("see", 4.0)).decode(logits)) == "SEE THE SEE"
    assert text_of(with_hotwords(files, ("see", 0.0)).decode(logits)) == "SEE THE SEA"


def test_hotwords_that_the_lexicon_lacks_are_spoken_by_its_rules(files, tmp_path):
    lexicon = "SEE\tS IY\nTREE\tT R IY\nSTREET\tS T R IY T\nREED\tR IY D\nDEED\tD IY D\n"
    (tmp_path / "lexicon.txt").write_text(lexicon)
    given = (ENGLISH, 0.02, files / "lm.arpa", tmp_path / "lexicon.txt", DecodingDefaults(), PHONES)
    logits = said("S IY - T - R - IY - T")
    assert text_of(LanguageModelDecoder(*given).decode(logits)) == "SEE TREE"
    words = LanguageModelDecoder(*given, (Hotword("treet", 3.0),)).decode(logits)
    assert text_of(words) == "SEE TREET"
    assert [round(word.start_s / 0.02) for word in words] == [0, 3]
    assert all(0 < word.confidence <= 1 for word in words)


def test_words_of_a_hotword_phrase_are_words_of_their_own(files):
    logits = said("S IY D - T R IY - D AH")
    assert text_of(with_hotwords(files, ("seed tree", 2.0)).decode(logits)) == "SEED TREE THE"
    words = with_hotwords(files, ("the seed", 3.0)).decode(said("S IY D D IY IY - S S IY IY - D AH"))
    spans = [(word.word, round(word.start_s / 0.02), round(word.end_s / 0.02)) for word in words]
    assert spans == [("SEE", 0, 2), ("THE", 2, 6), ("SEED", 7, 13), ("A", 13, 14)]


def test_too_many_hotwords_are_refused_for_phones_too(files):
    with pytest.raises(DecodingError, match="201 hotwords"):
        with_hotwords(files, *[("see",)] * 201)
    assert text_of(with_hotwords(files, ("1234",), ("x",)).decode(said("S IY"))) in ("SEE", "SEA")


def test_a_last_phone_that_goes_on_is_part_of_its_word(files):
    """In the third frame IY is only the second best, after a T that no word has there."""
    logits = said("S IY T IY - D AH")
    logits[2, len(ENGLISH) + PHONES.tokens.index("IY")] = 9.9
    words = with_hotwords(files, ("see the", 1.0)).decode(logits)
    frames = [(word.word, round(word.start_s / 0.02), round(word.end_s / 0.02)) for word in words]
    assert frames == [("SEE", 0, 4), ("THE", 5, 7)]
    assert [word.end_s for word in decoder(files).decode(logits[:4])] == [pytest.approx(0.08)]
