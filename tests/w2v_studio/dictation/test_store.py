import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.text.ctc import Word
from w2v_studio.dictation import store as store_module
from w2v_studio.dictation.recording import RecordingWriter
from w2v_studio.dictation.store import (
    DATABASE,
    MIGRATIONS,
    DictationStore,
    StoreError,
    corrections_manifest,
    manifest_transcript,
    migrate,
)

WORDS = [Word("HELLO", 0.1, 0.4, 0.9), Word("THERE", 0.5, 0.8, 0.7)]


@pytest.fixture
def store(tmp_path):
    with DictationStore(tmp_path) as opened:
        yield opened


def record(store: DictationStore, text: str = "HELLO THERE", duration_s: float = 1.0):
    dictation = store.begin("tiny")
    writer = RecordingWriter(dictation.audio_path)
    writer.write(np.sin(np.arange(round(16000 * duration_s)) / 20).astype(np.float32) * 0.5)
    writer.close()
    store.add_segment(dictation.id, 0, text, WORDS, 0.0, duration_s)
    store.finish(dictation.id, duration_s)
    return store.get(dictation.id)


def test_a_dictation_comes_back_whole_after_reopening(tmp_path):
    with DictationStore(tmp_path) as first:
        kept = record(first)
    with DictationStore(tmp_path) as second:
        (found,) = second.search()
    assert found == kept
    assert found.text == "HELLO THERE"
    assert list(found.segments[0].words) == WORDS
    assert soundfile.info(found.audio_path).duration == pytest.approx(1.0)


def test_search_finds_all_words_in_any_case_and_takes_signs_literally(store):
    record(store, "THE FIRST ONE")
    second = record(store, "THE SECOND ONE")
    store.correct(second.id, 0, "100 % sure")
    assert [d.id for d in store.search("first ONE")] == [second.id - 1]
    assert [d.id for d in store.search("sure")] == [second.id]
    assert [d.id for d in store.search("%")] == [second.id]
    assert store.search("_") == []
    assert store.search("first second") == []
    assert [d.id for d in store.search()] == [second.id, second.id - 1]


def test_correction_and_back_to_the_models_text(store):
    dictation = record(store)
    store.correct(dictation.id, 0, "Hello, there!")
    corrected = store.get(dictation.id)
    assert (corrected.text, corrected.raw_text, corrected.is_corrected) == ("Hello, there!", "HELLO THERE", True)
    store.correct(dictation.id, 0, None)
    assert store.get(dictation.id) == dictation


def test_the_bin_gives_back_until_it_is_emptied(store):
    dictation = record(store)
    store.delete(dictation.id)
    assert store.search() == []
    store.restore(dictation.id)
    assert store.search() == [dictation]
    store.delete(dictation.id)
    assert store.empty_bin() == 1
    assert not dictation.audio_path.exists()
    with pytest.raises(StoreError, match="deleted"):
        store.get(dictation.id)


def test_a_cut_off_dictation_is_recovered_with_its_segments(tmp_path):
    with DictationStore(tmp_path) as before:
        cut = before.begin("tiny")
        writer = RecordingWriter(cut.audio_path)
        for _ in range(20):
            writer.write(np.full(1600, 0.25, np.float32))
        before.add_segment(cut.id, 0, "HELLO THERE", WORDS, 0.0, 1.0)
        empty = before.begin("tiny")
        assert before.search() == [], "what still runs is not listed"
        unfinished = cut.audio_path.read_bytes()  # as a crash leaves it: never closed
        writer.close()
        cut.audio_path.write_bytes(unfinished)
    with DictationStore(tmp_path) as after:
        (recovered,) = after.recover()
        assert after.recover() == []
        with pytest.raises(StoreError):
            after.get(empty.id)
    assert recovered.text == "HELLO THERE"
    assert recovered.duration_s is not None
    samples, rate = soundfile.read(recovered.audio_path)
    assert rate == 16000
    assert len(samples) / rate == recovered.duration_s
    assert len(samples) >= 32000 - 2 * 4096, "at most the last blocks are lost"
    assert np.abs(samples - 0.25).max() < 1e-3


def test_migrations_go_one_by_one_and_keep_what_is_there(tmp_path, monkeypatch):
    with DictationStore(tmp_path) as old:
        kept = record(old)
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, "ALTER TABLE dictations ADD COLUMN title TEXT;"))
    with DictationStore(tmp_path) as new:
        assert new.search() == [kept]
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert connection.execute("SELECT title FROM dictations").fetchall() == [(None,)]


def test_a_failed_migration_leaves_the_version_before(monkeypatch):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x); SELECT nonsense;"))
    with pytest.raises(sqlite3.DatabaseError):
        migrate(connection)
    connection.rollback()
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)


def test_a_newer_database_and_no_database_are_refused_with_a_remedy(tmp_path):
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"version 99.*update it"):
        DictationStore(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / DATABASE).write_bytes(b"this is a text, not a database, and long enough to be read as one" * 20)
    with pytest.raises(StoreError, match="move it away"):
        DictationStore(other)


def test_corrections_become_a_manifest_with_clips_of_the_segments(store, tmp_path):
    dictation = record(store, duration_s=3.0)
    store.add_segment(dictation.id, 1, "GOOD BY", [], 1.5, 2.75)
    store.add_segment(dictation.id, 2, "NOT TOUCHED", [], 2.75, 3.0)
    store.correct(dictation.id, 1, "Good-bye, it’s late")
    path = tmp_path / "mine" / "train.tsv"
    assert corrections_manifest(path, tmp_path) == 1
    header, line = path.read_text(encoding="utf-8").splitlines()
    assert header == "path\tduration_s\tspeaker\ttranscript"
    clip, duration_s, speaker, transcript = line.split("\t")
    assert (float(duration_s), speaker, transcript) == (1.25, "me", "GOOD BYE IT'S LATE")
    whole, _ = soundfile.read(dictation.audio_path)
    cut, rate = soundfile.read(path.parent / clip)
    assert rate == 16000
    np.testing.assert_array_equal(cut, whole[24000:44000])
    store.correct(dictation.id, 1, None)
    assert corrections_manifest(path, tmp_path) == 0
    assert not path.exists()


def test_corrections_keep_the_spoken_words_behind_written_text(store, tmp_path):
    dictation = record(store, duration_s=3.0)
    spoken = [
        Word(word, 0.3 * n, 0.3 * n + 0.2, 0.9)
        for n, word in enumerate(["I", "HAVE", "TWENTY", "ONE", "APPELS", "COMMA"])
    ]
    store.add_segment(dictation.id, 0, " ".join(word.word for word in spoken), spoken, 0.0, 2.0)
    store.correct(dictation.id, 0, "I have 21 apples,")
    path = tmp_path / "train.tsv"
    assert corrections_manifest(path, tmp_path) == 1
    assert path.read_text(encoding="utf-8").splitlines()[1].endswith("\tI HAVE TWENTY ONE APPLES COMMA")


def test_other_languages_keep_their_letters():
    assert manifest_transcript("Grüße, Ängström!", "de") == "GRÜSSE ÄNGSTRÖM"
    assert manifest_transcript("привет мир", "ru") == "ПРИВЕТ МИР"


def test_without_a_database_there_are_no_corrections(tmp_path):
    assert corrections_manifest(tmp_path / "train.tsv", tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "transcript"),
    [
        ("Hello, there!", "HELLO THERE"),
        ("don’t 'quote'", "DON'T 'QUOTE'"),
        ("well-known", "WELL KNOWN"),
        ("room 12", ""),
        ("…", ""),
        (" ' ", ""),
        ("", ""),
    ],
)
def test_transcripts_have_only_letters_apostrophes_and_spaces(text, transcript):
    assert manifest_transcript(text) == transcript


def test_recordings_never_leave_the_data_folder(store):
    assert store.begin("tiny").audio_path.parent == Path(store.folder) / "dictations"
