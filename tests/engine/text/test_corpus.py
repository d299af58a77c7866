"""Plain text in the letters of an acoustic model."""

import gzip
import lzma

import numpy as np
import pytest

from engine.text.ngram.corpus import BEGIN, END, UNKNOWN, Normalizer, TextError, read_corpus, read_lines
from engine.text.ngram.numerals import in_words, spell_numbers
from engine.text.vocabulary import Vocabulary

ENGLISH = Normalizer(Vocabulary.english())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("HE SAID SO", [["HE", "SAID", "SO"]]),
        ("“Don’t!” he said. It’s well-known, 'tis.", [["DON'T"], ["HE", "SAID"], ["IT'S", "WELL", "KNOWN", "TIS"]]),
        ("Café — naïve_coöperation", [["CAFE", "NAIVE", "COOPERATION"]]),
        ("42 men and 1,300 ships", [["FORTY", "TWO", "MEN", "AND", "ONE", "THOUSAND", "THREE", "HUNDRED", "SHIPS"]]),
        ("at 7:30 in Москва", [["AT", "<unk>", "<unk>", "IN", "<unk>"]]),
        ("   ...   ", []),
    ],
)
def test_lines_become_sentences_of_the_models_letters(line, wanted):
    found = [words for words in ENGLISH.sentences(line) if words]
    assert found == wanted


def test_small_letters_and_accents_of_other_vocabularies():
    spanish = Normalizer(Vocabulary(("<pad>", "|", *"abcdefghijklmnñopqrstuvwxyzáéíóú")), language="es")
    assert list(spanish.sentences("¿Mañana, Ángel? Über")) == [["mañana", "ángel"], ["uber"]]
    russian = Normalizer(Vocabulary(("<pad>", "|", *"абвгдежзийклмнопрстуфхцчшщъыьэюя")), language="ru")
    assert list(russian.sentences("Привет, мир!")) == [["привет", "мир"]]


def test_numbers_in_words_are_read_back_by_another_library():
    numbers = pytest.importorskip("text_to_num")
    for number in [13, 20, 21, 99, 100, 110, 342, 999, 1000, 1001, 12345, 100000, 999999, 7654321]:
        assert numbers.alpha2digit(in_words(number), "en") == str(number)
    assert [in_words(number) for number in (0, 7)] == ["zero", "seven"]
    assert spell_numbers("3 of 12:30, v2 or 1.5") == "three of 12:30, v2 or 1.5"


def test_streams_mark_sentences_and_rare_words(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("A B A\nB A C\n")
    corpus = read_corpus([path], ENGLISH, vocabulary_size=2)
    assert corpus.words == ("<unk>", "<s>", "</s>", "A", "B")
    assert corpus.stream.tolist() == [BEGIN, 3, 4, 3, END, BEGIN, 4, 3, UNKNOWN, END]
    assert (corpus.sentences, corpus.spoken_words) == (2, 6)
    assert corpus.stream.dtype == np.int32


def test_packed_files_and_manifests_are_read(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"ONE\nTWO\n"))
    (tmp_path / "a.xz").write_bytes(lzma.compress(b"ONE\nTWO\n"))
    (tmp_path / "a.tsv").write_text("path\tduration_s\tspeaker\ttranscript\na.wav\t1\tx\tONE\nb.wav\t1\tx\tTWO\n")
    for name in ("a.gz", "a.xz", "a.tsv"):
        assert [line.strip() for line in read_lines(tmp_path / name)] == ["ONE", "TWO"]


def test_files_that_are_no_text_are_named(tmp_path):
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"ONE\n" * 5000)[:40])
    latin = tmp_path / "latin.txt"
    latin.write_bytes("café".encode("latin-1"))
    empty = tmp_path / "empty.txt"
    empty.write_text("\n...\n")
    table = tmp_path / "table.tsv"
    table.write_text("a\tb\n1\t2\n")
    for path in (broken, latin, table, tmp_path / "missing.txt"):
        with pytest.raises(TextError, match=path.name):
            list(read_lines(path))
    with pytest.raises(TextError, match="no words"):
        read_corpus([empty], ENGLISH)
