"""Hotwords on logits whose letters are written down, and on recorded digits with the bundled model."""

import numpy as np
import pytest

from engine.data.manifest import read_manifest
from engine.text.ctc import decode_words, text_of
from engine.text.error_rate import error_rates
from engine.text.vocabulary import Vocabulary
from w2v_studio.assets import resources_folder
from w2v_studio.audio.files import read_audio
from w2v_studio.bundles import default_bundle
from w2v_studio.recognition.decoding.hotwords import BOOST_PER_LETTER, MOST_PHRASES, HotwordSpotter
from w2v_studio.recognition.decoding.hotwords_file import own_hotwords, own_hotwords_file, read_hotwords, write_hotwords
from w2v_studio.recognition.decoding.settings import DecodingError, Hotword
from w2v_studio.recognition.sessions import Recognizer
from w2v_studio.recognition.transcribe import analyse

ENGLISH = Vocabulary.english()


def written(text: str, unsure: dict[int, tuple[str, float]] | None = None) -> np.ndarray:
    """Logits of the letters of `text`, a blank after each; `unsure` place -> a letter that much less likely."""
    logits = np.zeros((2 * len(text), 32), np.float32)
    for place, letter in enumerate(text):
        logits[2 * place, ENGLISH.tokens.index("|" if letter == " " else letter)] = 12
        logits[2 * place + 1, 0] = 12
    for place, (letter, less) in (unsure or {}).items():
        logits[2 * place, ENGLISH.tokens.index(letter)] = 12 - less
    return logits


def heard(logits: np.ndarray, *phrases: str, weight: float = 1.0) -> str:
    spotter = HotwordSpotter(ENGLISH, tuple(Hotword(phrase, weight) for phrase in phrases))
    return text_of(spotter.replace(decode_words(logits, ENGLISH), logits, 0.02))


def test_a_phrase_nearly_heard_takes_the_place_of_the_words_there():
    logits = written("MEET CATE NOW", {5: ("K", 2.0)})
    assert heard(logits, "Kate") == "MEET KATE NOW"
    assert heard(logits, "Kate", weight=0.4) == "MEET CATE NOW"
    assert heard(logits, "Kate", weight=0) == "MEET CATE NOW"
    assert heard(logits) == "MEET CATE NOW"


def test_times_are_those_of_the_sound_and_neighbours_stay_as_they_are():
    logits = written("MEET CATE NOW", {5: ("K", 2.0)})
    greedy = decode_words(logits, ENGLISH, offset_s=3.0)
    found = HotwordSpotter(ENGLISH, (Hotword("KATE"),)).replace(greedy, logits, 0.02, 3.0)
    assert (found[0], found[2]) == (greedy[0], greedy[2])
    assert (found[1].start_s, found[1].end_s) == (greedy[1].start_s, greedy[1].end_s)
    assert found[1].confidence < greedy[1].confidence


def test_phrases_of_several_words_join_and_part_words():
    clear, unclear = written("GO TO MAC INTOSH NOW"), written("GO TO MAC INTOSH NOW", {9: ("|", 9.0)})
    assert heard(clear, "MACINTOSH") == "GO TO MAC INTOSH NOW"
    assert heard(unclear, "MACINTOSH") == "GO TO MACINTOSH NOW"
    parted = written("SEE NEWYORK NOW")
    parted[2 * 7 - 1] = 0
    parted[2 * 7 - 1, [0, 4]] = 12, 10.5  # nearly a space between W and Y
    assert heard(parted, "New York") == "SEE NEW YORK NOW"


def test_parts_of_words_are_left_alone():
    assert heard(written("A BONEY MAN"), "ONE", "ON", "MA") == "A BONEY MAN"
    assert heard(written("CATER"), "CATE", weight=1.5) == "CATER"


def test_the_better_of_two_phrases_wins_and_words_already_there_stay():
    logits = written("CALL ANNA", {5: ("E", 1.0), 8: ("E", 1.5)})
    assert heard(logits, "ANNE", "ENNA") == "CALL ENNA"
    assert heard(written("CALL ANNA"), "ANNA") == "CALL ANNA"


def test_phrases_the_model_cannot_spell_are_told():
    spotter = HotwordSpotter(ENGLISH, (Hotword("R2D2"), Hotword("Žižka"), Hotword("Kate")))
    assert spotter.unusable == ["R2D2", "Žižka"]
    assert [phrase.text for phrase in spotter.phrases] == ["KATE"]
    assert spotter.phrases[0].boost == pytest.approx(4 * BOOST_PER_LETTER)


def test_silence_empty_and_broken_input():
    spotter = HotwordSpotter(ENGLISH, (Hotword("KATE"),))
    silence = np.zeros((50, 32), np.float32)
    silence[:, 0] = 12
    assert spotter.replace([], silence, 0.02) == []
    assert spotter.replace([], silence[:0], 0.02) == []
    broken = np.full((20, 32), np.nan, np.float32)
    assert isinstance(spotter.replace([], broken, 0.02), list)


def test_more_than_200_are_refused():
    with pytest.raises(DecodingError, match="201 hotwords"):
        HotwordSpotter(ENGLISH, tuple(Hotword(f"WORD {'A' * place}") for place in range(MOST_PHRASES + 1)))


def test_recorded_digits_get_better_with_digits_and_no_worse_with_a_hundred_others():
    bundle = default_bundle()
    recognizer = Recognizer(bundle, "cpu", threads=1)
    clips = read_manifest(resources_folder() / "datasets" / "digits-mini" / "valid.tsv")[::2]
    logits = [analyse(recognizer, read_audio(clip.path)).logits for clip in clips]
    digits = tuple(map(Hotword, ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]))
    rng = np.random.default_rng(0)
    others = tuple(Hotword("".join(rng.choice(list("AEIOURSTLNMDBK"), int(rng.integers(3, 9))))) for _ in range(100))

    def wer(hotwords):
        spotter = HotwordSpotter(bundle.vocabulary, hotwords)
        texts = [text_of(spotter.replace(decode_words(rows, bundle.vocabulary), rows, 0.02)) for rows in logits]
        return error_rates(zip([clip.transcript for clip in clips], texts, strict=True)).wer

    assert wer(digits) <= wer(())
    assert wer(others) <= wer(()) + 0.0025


def test_lists_are_read_and_written(tmp_path, monkeypatch):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path))
    assert own_hotwords() == ()
    path = own_hotwords_file()
    path.write_text("# names\nKate\t1.5\n\n  New   York # where\nkate\nØrsted\n", encoding="utf-8")
    wanted = (Hotword("kate"), Hotword("New York"), Hotword("Ørsted"))
    assert own_hotwords() == wanted
    write_hotwords(path, (*wanted, Hotword("X Y", 0.5)))
    assert read_hotwords(path) == (*wanted, Hotword("X Y", 0.5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Kate\tmuch\n", "line 1: the weight 'much'"),
        (b"A\nKate\t-1\n", "line 2"),
        (b"Kate\tnan\n", "line 1"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("".join(f"word{place}\n" for place in range(201)).encode(), "201 phrases"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(tmp_path, content, message):
    path = tmp_path / "hotwords.txt"
    path.write_bytes(content)
    with pytest.raises(DecodingError, match=message):
        read_hotwords(path)
    with pytest.raises(DecodingError, match="no list"):
        read_hotwords(tmp_path / "none.txt")
