"""Past dictations: SQLite beside the recordings. No Qt here. One connection serves the thread that made it.

DATA_FOLDER/
  studio.db                  dictations and their segments
  dictations/ID.flac         16 kHz mono, written while it is spoken
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.text.ctc import Word
from w2v_studio.assets import data_folder
from w2v_studio.bundles import installed_bundles
from w2v_studio.dictation.recording import cut_recording, recover_recording
from w2v_studio.text_stage.rules import rules_for
from w2v_studio.text_stage.spoken import spoken_transcript

DATABASE = "studio.db"
AUDIO_FOLDER = "dictations"
SAMPLE_RATE = 16000

# Migration N brings a database from version N to N + 1; those that shipped never change.
MIGRATIONS = (
    """
    CREATE TABLE dictations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started_at REAL NOT NULL,          -- seconds since 1970
        audio TEXT NOT NULL,               -- file name in the audio folder
        bundle TEXT NOT NULL,
        duration_s REAL,                   -- NULL while it is recorded
        deleted_at REAL                    -- in the bin since; emptied at the next start
    );
    CREATE TABLE segments (
        dictation INTEGER NOT NULL REFERENCES dictations(id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        start_s REAL NOT NULL,
        end_s REAL NOT NULL,
        raw_text TEXT NOT NULL,            -- what the model wrote
        corrected_text TEXT,               -- what a person made of it
        words TEXT NOT NULL,               -- JSON list of word, start_s, end_s, confidence
        PRIMARY KEY (dictation, number)
    );
    CREATE INDEX dictations_by_time ON dictations(started_at);
    """,
)


class StoreError(RuntimeError):
    """A database that cannot be used. The message says why, and the remedy."""


@dataclass(frozen=True)
class StoredSegment:
    """A stretch of speech of a dictation; times in seconds of its recording."""

    number: int
    start_s: float
    end_s: float
    raw_text: str
    corrected_text: str | None
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The correction where there is one, else the model's text."""
        return self.raw_text if self.corrected_text is None else self.corrected_text


@dataclass(frozen=True)
class Dictation:
    """One recording and its text. `started_at` in seconds since 1970; `duration_s` None while it is recorded."""

    id: int
    started_at: float
    audio_path: Path
    bundle: str
    duration_s: float | None
    segments: tuple[StoredSegment, ...]

    @property
    def text(self) -> str:
        """A line for each segment."""
        return "\n".join(segment.text for segment in self.segments if segment.text)

    @property
    def raw_text(self) -> str:
        """What the model wrote, a line for each segment."""
        return "\n".join(segment.raw_text for segment in self.segments if segment.raw_text)

    @property
    def is_corrected(self) -> bool:
        """Whether a person changed anything."""
        return any(segment.corrected_text is not None for segment in self.segments)


class DictationStore:
    """The dictations in `folder` (default: the data folder). Close it when done; it is its own context manager."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open or create. Raises StoreError for a database of a newer version, or one that is none."""
        self.folder = data_folder() if folder is None else folder
        self.audio_folder = self.folder / AUDIO_FOLDER
        try:
            self.audio_folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.folder / DATABASE, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA busy_timeout = 2000")
            migrate(self._connection)
        except (sqlite3.DatabaseError, OSError) as error:
            raise StoreError(
                f"past dictations in {self.folder / DATABASE} cannot be opened ({error}): "
                f"make room or free the file, or move it away to start with an empty list"
            ) from error

    def __enter__(self) -> DictationStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def begin(self, bundle: str) -> Dictation:
        """A new dictation whose recording starts now."""
        started_at = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(started_at))
        cursor = self._connection.execute(
            "INSERT INTO dictations (started_at, audio, bundle) VALUES (?, '', ?)", (started_at, bundle)
        )
        number = int(cursor.lastrowid or 0)
        name = f"{stamp}-{number}.flac"
        self._connection.execute("UPDATE dictations SET audio = ? WHERE id = ?", (name, number))
        return self.get(number)

    def add_segment(
        self, dictation: int, number: int, text: str, words: Sequence[Word], start_s: float, end_s: float
    ) -> None:
        """Keep the final text of a segment."""
        listed = json.dumps([asdict(word) for word in words], ensure_ascii=False)
        self._connection.execute(
            "INSERT OR REPLACE INTO segments (dictation, number, start_s, end_s, raw_text, words) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (dictation, number, start_s, end_s, text, listed),
        )

    def finish(self, dictation: int, duration_s: float) -> None:
        """The recording is complete."""
        self._connection.execute("UPDATE dictations SET duration_s = ? WHERE id = ?", (duration_s, dictation))

    def correct(self, dictation: int, segment: int, text: str | None) -> None:
        """Keep a person's text for a segment; None goes back to the model's."""
        self._connection.execute(
            "UPDATE segments SET corrected_text = ? WHERE dictation = ? AND number = ?", (text, dictation, segment)
        )

    def get(self, dictation: int) -> Dictation:
        """One dictation. Raises StoreError where there is none of that number."""
        row = self._connection.execute(f"{SELECT} WHERE id = ?", (dictation,)).fetchone()
        if row is None:
            raise StoreError(f"there is no dictation {dictation}: it was deleted")
        return self._dictation(row)

    def search(self, text: str = "", limit: int = 200) -> list[Dictation]:
        """The newest dictations whose text contains all words of `text` (case ignored), not those in the bin."""
        condition = "WHERE deleted_at IS NULL AND duration_s IS NOT NULL"
        values: list[str] = []
        for word in text.split():
            condition += (
                " AND EXISTS (SELECT 1 FROM segments WHERE dictation = id"
                " AND coalesce(corrected_text, raw_text) LIKE ? ESCAPE '\\')"
            )
            values.append("%" + re.sub(r"([%_\\])", r"\\\1", word) + "%")
        query = f"{SELECT} {condition} ORDER BY started_at DESC, id DESC LIMIT ?"
        return [self._dictation(row) for row in self._connection.execute(query, (*values, limit)).fetchall()]

    def delete(self, dictation: int) -> None:
        """Put a dictation into the bin."""
        self._connection.execute("UPDATE dictations SET deleted_at = ? WHERE id = ?", (time.time(), dictation))

    def restore(self, dictation: int) -> None:
        """Take it out again."""
        self._connection.execute("UPDATE dictations SET deleted_at = NULL WHERE id = ?", (dictation,))

    def empty_bin(self) -> int:
        """Delete what is in the bin for good, recordings included; how many."""
        rows = self._connection.execute("SELECT id, audio FROM dictations WHERE deleted_at IS NOT NULL").fetchall()
        for number, audio in rows:
            self._remove(int(number), str(audio))
        return len(rows)

    def recover(self) -> list[Dictation]:
        """Finish recordings that a crash cut off: those with sound are kept, empty ones are removed.

        Call it before the first recording of this process.
        """
        rows = self._connection.execute("SELECT id, audio FROM dictations WHERE duration_s IS NULL").fetchall()
        recovered = []
        for number, audio in rows:
            path = self.audio_folder / str(audio)
            samples = recover_recording(path) if audio and path.is_file() else 0
            if samples == 0:
                self._remove(int(number), str(audio))
            else:
                self.finish(int(number), samples / SAMPLE_RATE)
                recovered.append(self.get(int(number)))
        return recovered

    def discard(self, dictation: int) -> None:
        """Remove a dictation and its recording at once."""
        self._remove(dictation, self.get(dictation).audio_path.name)

    def corrections_manifest(self, path: Path, language_of: Callable[[str], str]) -> int:
        """Write corrected segments as a manifest that fine-tuning reads, their sound as FLAC beside it.

        `language_of` gives the language of a model by its name. Segments without a letter, and those whose spoken
        words cannot be known (`spoken_transcript`), are left out. Gives the number of lines. With none, nothing is
        written and an older manifest is removed.
        """
        lines = []
        clips = path.parent / "clips"
        for dictation in reversed(self.search(limit=-1)):
            for segment in dictation.segments:
                if not segment.corrected_text:
                    continue
                language = language_of(dictation.bundle)
                spoken = spoken_transcript(segment.corrected_text, segment.words, rules_for(language))
                transcript = manifest_transcript(spoken, language)
                if not transcript or not dictation.audio_path.is_file():
                    continue
                clip = clips / f"{dictation.audio_path.stem}-{segment.number}.flac"
                duration_s = cut_recording(dictation.audio_path, clip, segment.start_s, segment.end_s)
                if duration_s > 0:
                    lines.append(f"{clip.relative_to(path.parent).as_posix()}\t{duration_s:.3f}\tme\t{transcript}")
        if not lines:
            path.unlink(missing_ok=True)
            return 0
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".tmp")
        part.write_text("\n".join(["path\tduration_s\tspeaker\ttranscript", *lines]) + "\n", encoding="utf-8")
        part.replace(path)
        return len(lines)

    def _remove(self, number: int, audio: str) -> None:
        if audio:
            (self.audio_folder / audio).unlink(missing_ok=True)
        self._connection.execute("DELETE FROM dictations WHERE id = ?", (number,))

    def _dictation(self, row: tuple[int, float, str, str, float | None]) -> Dictation:
        number, started_at, audio, bundle, duration_s = row
        found = self._connection.execute(
            "SELECT number, start_s, end_s, raw_text, corrected_text, words FROM segments "
            "WHERE dictation = ? ORDER BY number",
            (number,),
        ).fetchall()
        segments = tuple(
            StoredSegment(place, start_s, end_s, raw, corrected, _words(words))
            for place, start_s, end_s, raw, corrected, words in found
        )
        return Dictation(number, started_at, self.audio_folder / audio, bundle, duration_s, segments)


def _words(stored: str) -> tuple[Word, ...]:
    """Words as `add_segment` keeps them."""
    listed: list[dict[str, Any]] = json.loads(stored)
    return tuple(Word(**{**values, "alternatives": tuple(values.get("alternatives", ()))}) for values in listed)


SELECT = "SELECT id, started_at, audio, bundle, duration_s FROM dictations"


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest version, each step whole or not at all. Raises StoreError for a newer one."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StoreError(
            f"past dictations were written by a newer version of w2v studio (database version {version}, "
            f"this program knows {len(MIGRATIONS)}): update it"
        )
    for number in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN;\n{MIGRATIONS[number]}\nPRAGMA user_version = {number + 1};\nCOMMIT;")


def manifest_transcript(text: str, language: str = "en") -> str:
    """Upper-case words of letters and apostrophes, as manifests have them; empty where `text` has digits or no letter.

    English keeps A to Z only, other languages the letters of their script.
    """
    if any(letter.isdigit() for letter in text):
        return ""
    upper = text.upper().replace("’", "'")
    if language == "en":
        plain = re.sub(r"[^A-Z']+", " ", upper)
    else:
        kept = (letter if unicodedata.category(letter)[0] in "LM" or letter == "'" else " " for letter in upper)
        plain = "".join(kept)
    words = (word for word in plain.split() if word.strip("'"))
    return " ".join(words)


def bundle_languages() -> Callable[[str], str]:
    """The language of an installed model by its name; English for one that is gone."""
    known = {bundle.card.name: bundle.card.language for bundle in installed_bundles()}
    return lambda name: known.get(name, "en")


def corrections_manifest(path: Path, folder: Path | None = None) -> int:
    """`DictationStore.corrections_manifest` over the database in `folder` (default: the data folder)."""
    if not ((data_folder() if folder is None else folder) / DATABASE).is_file():
        return 0
    with DictationStore(folder) as store:
        return store.corrections_manifest(path, bundle_languages())
