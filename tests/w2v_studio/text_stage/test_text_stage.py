"""Spoken words to written text. The expected texts are written by hand."""

import pytest

from engine.text.ctc import Word
from w2v_studio.text_stage.paragraphs import write_paragraphs
from w2v_studio.text_stage.rules import TextRules, TextRulesError, languages, load_rules, rules_for
from w2v_studio.text_stage.stage import RAW, TextOptions, TextStage


def english(**options):
    return TextStage(rules_for("en"), TextOptions(**options))


def spoken(text, pause_s=0.1):
    """Words of 0.3 s; `|` is a pause of one second."""
    words, now = [], 0.0
    for word in text.split():
        if word == "|":
            now += 1.0
            continue
        words.append(Word(word, now, now + 0.3, 0.9))
        now += 0.3 + pause_s
    return words


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("I CALLED ADA LOVELACE YESTERDAY", "I called Ada Lovelace yesterday"),
        ("ADA LOVELACE COMMA ADA AND LOVELACE", "Ada Lovelace, ada and lovelace"),
        ("NEW YORK CITY IS NEW", "New York City is new"),
        ("IPHONE AND NASA", "iPhone and NASA"),
        ("MC DONALD AND THE COMPUTER", "Mc donald and the computer"),
        ("ALL CAPS ADA LOVELACE", "ADA Lovelace"),
        ("ADA PERIOD LOVELACE", "Ada. Lovelace"),
    ],
)
def test_names_are_written_in_letters_of_their_own(said, written):
    names = "Ada Lovelace", "New York", "New York City", "iPhone", "NASA", "MC DONALD", "COMPUTER", "computer"
    rules = rules_for("en").with_names(names)
    assert TextStage(rules, TextOptions()).write_text(said).text == written
    assert TextStage(rules, TextOptions("lower")).write_text("ADA LOVELACE").text == "ada lovelace"
    assert TextStage(rules, RAW).write_text("ADA LOVELACE").text == "ADA LOVELACE"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("", ""),
        ("HELLO WORLD", "Hello world"),
        ("HELLO COMMA WORLD PERIOD HOW ARE YOU QUESTION MARK", "Hello, world. How are you?"),
        ("I THINK I'M RIGHT", "I think I'm right"),
        ("YES I SAID IT ON MONDAY", "Yes I said it on Monday"),
        ("DEAR MR SMITH COMMA NEW PARAGRAPH THANK YOU", "Dear Mr smith,\n\nThank you"),
        ("FIRST NEW LINE SECOND", "First\nSecond"),
        ("OPEN QUOTE GO COMMA CLOSE QUOTE HE SAID", "“Go,” he said"),
        ("STOP PERIOD CLOSE QUOTE THEN", "Stop.” Then"),
        ("TWENTY HYPHEN FIRST", "20-first"),
        ("A WELL HYPHEN KNOWN ROAD", "A well-known road"),
        ("OPEN BRACKET NO CLOSE BRACKET", "(No)"),
        ("THE WORD LITERAL COMMA IS FINE", "The word comma is fine"),
        ("CAP PARIS AND ALL CAPS NASA FLEW", "Paris and NASA flew"),
        ("THIS IS WRONG SCRATCH THAT THIS IS RIGHT", "This is right"),
        ("KEEP THIS PERIOD NOT THIS SCRATCH THAT BUT THIS", "Keep this. But this"),
        ("I HAVE TWENTY ONE APPLES", "I have 21 apples"),
        ("TWO DOGS AND THAT ONE", "Two dogs and that one"),
        ("CALL ONE TWO THREE", "Call 1 2 3"),
        ("BORN IN NINETEEN NINETY NINE", "Born in 1999"),
        ("IN TWENTY TWENTY SIX", "In 2026"),
        ("ON THE TWENTY THIRD OF MAY", "On the 23rd of may"),
        ("THREE POINT FIVE PERCENT SIGN", "3.5%"),
        ("ONE HUNDRED AND FIVE", "105"),
        ("O K I SAW ONE", "O k I saw one"),
        ("PERIOD", "."),
        ("NEW LINE", "\n"),
        ("SCRATCH THAT", ""),
    ],
)
def test_written_english(said, written):
    assert english().write(spoken(said)).text == written


def test_a_pause_parts_numbers():
    assert english().write(spoken("TWENTY | ONE DOG")).text == "20 1 dog"
    assert english().write(spoken("TWENTY ONE DOG")).text == "21 dog"
    assert english().write(spoken("NINETEEN | NINETY NINE")).text == "19 99"


def test_zeros_among_single_digits_stand_alone():
    assert english().write(spoken("FOUR ZERO FIVE ONE NINE")).text == "4 0 5 1 9"
    assert english().write(spoken("ZERO FIVE ZERO ZERO SEVEN ONE")).text == "0 5 0 0 7 1"
    assert english().write(spoken("ZERO POINT ZERO FIVE AND TWO HUNDRED")).text == "0.05 and 200"
    french = TextStage(rules_for("fr"))
    assert french.write(spoken("ZÉRO SIX DOUZE TRENTE QUATRE")).text == "06 12 34"


def test_every_option_can_be_off():
    said = spoken("I SAW TWENTY ONE COMMA SCRATCH THAT")
    assert english(marks=False).write(said).text == ""
    assert english(commands=False).write(said).text == "I saw 21, scratch that"
    assert english(numbers=False, commands=False).write(said).text == "I saw twenty one, scratch that"
    assert english(case="lower", commands=False).write(said).text == "i saw 21, scratch that"
    assert TextStage(rules_for("en"), RAW).write(said).text == "I SAW TWENTY ONE COMMA SCRATCH THAT"


def test_a_sentence_may_go_on_from_before():
    assert english().write(spoken("AND SO ON PERIOD YES"), at_start=False).text == "and so on. Yes"
    assert english().write(spoken("THE END PERIOD")).ends_sentence
    assert not english().write(spoken("THE END")).ends_sentence


def test_spans_keep_the_words_they_stand_for():
    words = [Word("TWENTY", 0.0, 0.3, 0.9), Word("ONE", 0.4, 0.6, 0.4), Word("COMMA", 0.7, 0.9, 0.8)]
    spans = english().write(words).spans
    assert [span.text for span in spans] == ["21", ","]
    assert [span.words for span in spans] == [tuple(words[:2]), (words[2],)]
    assert spans[0].confidence == 0.4


def test_no_word_is_lost_or_doubled_without_commands():
    words = spoken("ONE COMMA TWO NINETEEN NINETY NEW LINE A B LITERAL PERIOD ZERO FULL STOP")
    spans = english(commands=False).write(words).spans
    assert [word for span in spans for word in span.words] == words


def test_scratch_that_alone_takes_back_the_stretch_before():
    stage = english()
    stretches = [spoken(text) for text in ("ONE THING", "ANOTHER", "SCRATCH THAT", "THE LAST")]
    texts = [paragraph and paragraph.text for paragraph in write_paragraphs(stage, stretches)]
    assert texts == ["One thing", None, None, "The last"]
    twice = [spoken(text) for text in ("A", "B", "SCRATCH THAT SCRATCH THAT", "SCRATCH THAT C")]
    assert [paragraph and paragraph.text for paragraph in write_paragraphs(stage, twice)] == [None, None, None, "C"]


@pytest.mark.parametrize(
    ("language", "said", "written"),
    [
        ("de", "ICH HABE FÜNFUNDZWANZIG ÄPFEL KOMMA JA PUNKT", "Ich habe 25 äpfel, ja."),
        ("fr", "BONJOUR VIRGULE J'AI SOIXANTE DOUZE ANS POINT", "Bonjour, j'ai 72 ans."),
        ("es", "ABRE INTERROGACIÓN QUÉ TAL CIERRA INTERROGACIÓN VEINTICINCO", "¿Qué tal? 25"),
        ("it", "CIAO VIRGOLA SONO VENTICINQUE PUNTO", "Ciao, sono 25."),
        ("pt", "OLÁ VÍRGULA VINTE E CINCO PONTO", "Olá, 25."),
        ("ru", "ПРИВЕТ ЗАПЯТАЯ КАК ДЕЛА ВОПРОСИТЕЛЬНЫЙ ЗНАК", "Привет, как дела?"),
    ],
)
def test_other_languages(language, said, written):
    assert TextStage(rules_for(language)).write(spoken(said)).text == written


def test_a_language_without_rules_still_gets_capitals():
    assert TextStage(rules_for("sw")).write(spoken("HABARI YA ASUBUHI")).text == "Habari ya asubuhi"
    assert TextStage(rules_for("zh")).write(spoken("你好")).text == "你好"


def test_every_shipped_language_loads_and_writes_its_marks():
    assert {"en", "de", "es", "fr", "it", "pt", "ru"} <= set(languages())
    for language in languages():
        rules = rules_for(language)
        assert rules.phrases, language
        stage = TextStage(rules)
        for phrase, meaning in rules.phrases.items():
            said = " ".join(phrase).upper()
            text = stage.write_text(f"AA {said} BB").text
            if hasattr(meaning, "write"):
                assert meaning.write in text, (language, phrase)
                assert text.replace("Aa", "").replace("Bb", "").replace("bb", "").strip(" ") == meaning.write.strip(" ")


def test_the_region_of_a_language_does_not_matter():
    assert rules_for("en-GB").phrases == rules_for("en").phrases
    assert rules_for("../en") == TextRules("../en")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nonsense = 1", "unknown keys nonsense"),
        ('[[mark]]\nwrite = ","\nsay = ["comma"]\nglue = "up"', "glue 'up'"),
        ('[[mark]]\nwrite = ","\nsay = ["comma", "comma"]', "given twice"),
        ('[[command]]\ndo = "explode"\nsay = ["boom"]', "explode"),
        ("[[", "cannot be used"),
    ],
)
def test_broken_rules_say_what_is_wrong(tmp_path, content, says):
    path = tmp_path / "xx.toml"
    path.write_text(content)
    with pytest.raises(TextRulesError, match=r"xx\.toml") as raised:
        load_rules(path)
    assert says in str(raised.value)
