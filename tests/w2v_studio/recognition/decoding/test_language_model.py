"""Words of a lexicon with a language model: small models written by build-lm, found by the KenLM in flashlight-text."""

import gzip

import numpy as np
import pytest

from engine.__main__ import main as engine
from engine.text.ctc import decode_words, text_of
from engine.text.vocabulary import Vocabulary
from w2v_studio.recognition.decoding import flashlight_text
from w2v_studio.recognition.decoding.bundle_files import DecodingDefaults
from w2v_studio.recognition.decoding.language_model import LanguageModelDecoder
from w2v_studio.recognition.decoding.lexicon import arpa_words, read_lexicon, spell_words
from w2v_studio.recognition.decoding.settings import DecodingError

ENGLISH = Vocabulary.english()
needs_flashlight = pytest.mark.skipif(not flashlight_text.is_available(), reason="flashlight-text is not installed")
TEXT = "THE CAT SAT ON THE MAT\nTHE CAT ATE THE RAT\nA DOG SAT\nI SEE THE SEA\nTHE SEA IS BLUE\nI SEE A DOG\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text(TEXT * 3)
    out = folder / "lm.arpa.gz"
    assert engine(["build-lm", str(folder / "text.txt"), "--out", str(out), "--prune", "0"]) == 0
    return out


def said(text: str, unsure: dict[int, str] | None = None) -> np.ndarray:
    """Logits of letters, a blank after each; `unsure` place -> another letter that is a little more likely."""
    letters = [letter for place in text for letter in (place, "-")]
    logits = np.zeros((len(letters), 32), np.float32)
    for frame, letter in enumerate(letters):
        logits[frame, 0 if letter == "-" else ENGLISH.tokens.index("|" if letter == " " else letter)] = 10
    for place, other in (unsure or {}).items():
        logits[2 * place, ENGLISH.tokens.index(other)] = 10.7
    return logits


def decoder(model, **weights) -> LanguageModelDecoder:
    return LanguageModelDecoder(ENGLISH, 0.02, model, None, DecodingDefaults(**weights))


@needs_flashlight
def test_the_language_model_decides_where_the_sound_does_not(model):
    logits = said("I SEE THE SEA", {12: "E"})
    assert text_of(decode_words(logits, ENGLISH)) == "I SEE THE SEE"
    words = decoder(model).decode(logits, first_frame=50)
    assert text_of(words) == "I SEE THE SEA"
    greedy = decode_words(logits, ENGLISH, offset_s=1.0)
    assert [(word.start_s, word.end_s) for word in words] == [(word.start_s, word.end_s) for word in greedy]
    assert text_of(decoder(model, lm_weight=0.0).decode(logits)) == "I SEE THE SEE"


@needs_flashlight
def test_confidence_of_chosen_words_is_the_line_of_their_letters(model):
    logits = said("I SEE THE SEA", {12: "E"}) / 3
    log_priors = tuple(np.linspace(-5, -1, 32).tolist())
    weights = {"prior_weight": 0.3, "log_priors": log_priors}
    words = decoder(model, **weights, confidence_slope=2.0, confidence_offset=0.5).decode(logits)
    assert text_of(words) == "I SEE THE SEA"
    divided = logits.astype(np.float64) - 0.3 * np.array(log_priors)
    sound = divided - np.log(np.exp(divided).sum(-1, keepdims=True))
    for word, places in zip(words, ([0], [2, 3, 4], [6, 7, 8], [10, 11, 12]), strict=True):
        own = [sound[2 * at, ENGLISH.tokens.index("I SEE THE SEA"[at])] for at in places]
        assert word.confidence == pytest.approx(1 / (1 + np.exp(-(2 * np.mean(own) + 0.5))), rel=1e-3)
    assert decoder(model, **weights).decode(logits)[0].confidence != pytest.approx(words[0].confidence, rel=1e-2)
    nothing = decoder(model, **weights, confidence_slope=2.0)
    assert nothing.decode(logits[:0]) == []
    assert all(0 <= word.confidence <= 1 for word in nothing.decode(np.full((9, 32), np.nan, np.float32)))


@needs_flashlight
def test_a_narrower_beam_shares_the_model_and_leaves_the_wider_one_as_it_is(model):
    logits = said("I SEE THE SEA", {12: "E"})
    wide = decoder(model, beam_width=16)
    narrow = wide.narrower(1)
    assert text_of(narrow.decode(logits)) == "I SEE THE SEE"
    assert text_of(narrow.narrower(99).decode(logits)) == "I SEE THE SEE", "never wider"
    assert text_of(wide.decode(logits)) == "I SEE THE SEA"


@needs_flashlight
def test_what_a_network_writes_anyway_weighs_less_with_priors(model):
    # The last letter drowns in a blank of 0.8, as of a network that writes nothing where it is unsure.
    logits = said("THE CAT SAT")
    logits[20] = np.log(np.full(32, 1e-6))
    logits[20, [0, ENGLISH.tokens.index("T")]] = np.log([0.8, 0.2])
    shares = np.full(32, 0.01)
    shares[0] = 0.7
    log_priors = tuple(np.log(shares).tolist())
    only_sound = {"lm_weight": 0.0, "word_score": 0.0, "unknown_word_score": 0.0}
    assert text_of(decoder(model, **only_sound).decode(logits)) == "THE CAT SA"
    with_priors = decoder(model, **only_sound, prior_weight=1.0, log_priors=log_priors)
    words = with_priors.decode(logits)
    assert text_of(words) == "THE CAT SAT"
    # 0.2 / 0.01 against 0.8 / 0.7; a confidence is the network's own all the same.
    divided = decoder(model, **only_sound).decode((logits - np.array(log_priors)).astype(np.float32))
    assert [word.word for word in divided] == [word.word for word in words]
    assert words[2].confidence < divided[2].confidence
    with_priors.set_weights(DecodingDefaults(**only_sound))
    assert text_of(with_priors.decode(logits)) == "THE CAT SA"
    with pytest.raises(DecodingError, match="3 log_priors for a vocabulary of 32"):
        decoder(model, prior_weight=0.5, log_priors=(-1.0, -2.0, -3.0))


@needs_flashlight
def test_words_outside_the_lexicon_come_through_where_the_sound_is_clear(model):
    logits = said("THE MADAM SAT")
    assert text_of(decoder(model).decode(logits)) == "THE MADAM SAT"
    never = text_of(decoder(model, unknown_word_score=-1000.0).decode(logits))
    assert set(never.split()) <= set(TEXT.split())


@needs_flashlight
def test_the_last_word_needs_no_separator_and_silence_no_words(model):
    found = decoder(model)
    assert text_of(found.decode(said("THE CAT"))) == text_of(found.decode(said("THE CAT "))) == "THE CAT"
    silence = np.zeros((60, 32), np.float32)
    silence[:, 0] = 15
    assert found.decode(silence) == []
    assert found.decode(silence[:0]) == []


@needs_flashlight
def test_a_lexicon_file_limits_the_words(model, tmp_path):
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("THE\tT H E |\nCAT\tC A T |\nSAT\tS A T\nNAIVE\tN A Ï V E |\n")
    found = LanguageModelDecoder(ENGLISH, 0.02, model, lexicon, DecodingDefaults(unknown_word_score=-1000.0))
    assert found.words == 3
    assert text_of(found.decode(said("THE RAT SAT", {4: "C"}))) == "THE CAT SAT"


@needs_flashlight
def test_files_that_are_no_models_are_refused(model, tmp_path):
    broken = tmp_path / "broken.arpa"
    broken.write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-1\t<unk>\n-1\tTHE\n-9 oops\n")
    with pytest.raises(DecodingError, match=r"broken\.arpa cannot be read as a language model"):
        decoder(broken)
    binary = tmp_path / "lm.bin"
    binary.write_bytes(b"\x00\xff" * 100)
    with pytest.raises(DecodingError, match=r"lm\.bin"):
        decoder(binary)
    with pytest.raises(DecodingError, match="no file"):
        decoder(tmp_path / "missing.arpa")


def test_without_flashlight_the_error_says_so(model, monkeypatch):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(flashlight_text.importlib, "import_module", absent)
    with pytest.raises(DecodingError, match=r"Python 3\.11 and 3\.12.*greedy or beam"):
        decoder(model)


def test_words_of_a_model_and_their_spelling(model):
    words = list(arpa_words(model))
    assert {"<unk>", "<s>", "</s>", "CAT", "SEA"} <= set(words)
    spelled = spell_words(iter([*words, "Ñ"]), ENGLISH)
    assert set(spelled) == set(TEXT.split())
    assert spelled["CAT"] == [[ENGLISH.tokens.index(letter) for letter in "CAT|"]]


def test_lexicons_that_cannot_be_used_are_refused(tmp_path):
    for content, message in (
        (b"CAT\n", "line 1"),
        (b"\xd1\xd2\tA |", "cannot be read"),
        ("Ñ\tÑ |".encode(), "no word"),
    ):
        path = tmp_path / "lexicon.txt"
        path.write_bytes(content)
        with pytest.raises(DecodingError, match=message):
            read_lexicon(path, ENGLISH)
    spaceless = Vocabulary(("<pad>", "A"))
    with pytest.raises(DecodingError, match="no token for the space"):
        read_lexicon(path, spaceless)


def test_the_command_writes_model_and_lexicon_and_refuses_nonsense(tmp_path, capsys):
    text, held = tmp_path / "text.txt", tmp_path / "held.txt"
    text.write_text(TEXT)
    held.write_text("THE CAT SAT ON THE YAK\n")
    out, lexicon = tmp_path / "new" / "lm.arpa.gz", tmp_path / "new" / "lexicon.txt"
    orders = [
        "build-lm",
        str(text),
        "--out",
        str(out),
        "--lexicon",
        str(lexicon),
        "--held-out",
        str(held),
        "--order",
        "2",
    ]
    assert engine(orders) == 0
    assert "6 words, 16.67% of them unknown" in capsys.readouterr().out
    assert gzip.decompress(out.read_bytes()).startswith(b"\\data\\\nngram 1=")
    assert "CAT\tC A T |" in lexicon.read_text().splitlines()
    again = out.read_bytes()
    assert engine(orders) == 0
    assert out.read_bytes() == again
    for wrong, message in (
        (["--order", "9"], "not from 1 to 6"),
        (["--entropy", "2"], "share"),
        (["--held-out", str(tmp_path / "none")], "no file"),
        (["--out", str(tmp_path / "lm.zip")], "must end in"),
    ):
        assert engine(["build-lm", str(text), "--out", str(out), *wrong]) == 2
        assert message in capsys.readouterr().err
