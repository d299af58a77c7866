"""Anything that names recordings, told apart by what is in it and read as clips. No torch, and no lhotse.

The formats are those of docs/data-formats.md. Lengths that no table tells are read from the files and kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.data.durations import Report, fill_durations, no_report
from engine.data.formats import audio_folder, fairseq, json_lines, lhotse_cuts, librispeech, shar, tables
from engine.data.formats.columns import AUDIO_NAMES, first_of
from engine.data.formats.text_file import first_lines, lines_of
from engine.data.manifest import REQUIRED_COLUMNS, Clip, DataError, read_manifest

Reader = Callable[[Path, Path | None], list[Clip]]

KNOWN_FORMATS = (
    "a manifest (tab-separated: path, duration_s, speaker, transcript)",
    "a LibriSpeech folder (SPEAKER/CHAPTER/*.trans.txt)",
    "a Common Voice table (train.tsv ... with clips/ beside it)",
    "a CSV table with a header (audio_filepath or path; text; duration)",
    "JSON lines as of NeMo (audio_filepath, duration, text, offset)",
    "a fairseq table (root, then path<tab>samples; .wrd or .ltr beside it)",
    "a folder of recordings with .txt or .lab files beside them",
    "lhotse cuts (.jsonl or .jsonl.gz)",
    "a lhotse Shar folder (cuts.*.jsonl.gz, recording.*.tar), or a JSON list of its shards",
)
MANIFEST, SHAR = "manifest", "lhotse Shar"
TABLE_SUFFIXES = (".tsv", ".csv", ".json", ".jsonl", ".jsonl.gz")


@dataclass
class DataSource:
    """What a path holds. `shards` has the clips of a Shar source, which are read as they are needed."""

    path: Path
    format: str
    clips: list[Clip] = field(default_factory=list)
    shards: shar.ShardSet | None = None

    @property
    def verbatim(self) -> bool:
        """Whether the transcripts are those of a manifest, which are taken as they stand."""
        return self.format == MANIFEST

    def all_clips(self) -> Iterable[Clip]:
        """Every clip; those of a Shar source one by one."""
        return self.shards.clips() if self.shards is not None else self.clips


def _unknown(path: Path, because: str) -> DataError:
    known = "; ".join(KNOWN_FORMATS)
    return DataError(f"{path} {because}. Known are: {known}")


def _folder_format(path: Path) -> tuple[str, Reader]:
    if librispeech.is_librispeech(path):
        return "LibriSpeech", librispeech.read_librispeech
    named = [found.name for found in sorted(path.iterdir()) if found.name.endswith(TABLE_SUFFIXES) and is_data(found)]
    if named:
        # All audio of such a folder would be training and test data at once.
        raise DataError(f"the folder {path} holds {', '.join(named)}: name the one that you mean, {path / named[0]}")
    if audio_folder.holds_audio(path):
        return "audio folder", audio_folder.read_audio_folder
    raise _unknown(path, "is a folder without data that can be trained on")


def _json_format(path: Path, line: str) -> tuple[str, Reader]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise _unknown(path, f"begins like JSON and is none ({error.msg}): write an object a line") from error
    if isinstance(values, dict):
        if lhotse_cuts.is_cut(values):
            return "lhotse cuts", lhotse_cuts.read_lhotse_cuts
        other = lhotse_cuts.other_manifest(values)
        if other:
            raise DataError(
                f"{path} is a lhotse manifest of {other}: make cuts of it with "
                "`lhotse cut simple -r RECORDINGS -s SUPERVISIONS cuts.jsonl.gz`, and give those"
            )
        if first_of(AUDIO_NAMES, values):
            return "JSON lines", json_lines.read_json_lines
    raise _unknown(path, "holds JSON that names no audio files")


def _is_manifest(first: Sequence[str]) -> bool:
    return bool(first) and set(REQUIRED_COLUMNS) <= set(first[0].split("\t"))


def _table_format(path: Path, first: Sequence[str]) -> tuple[str, Reader]:
    header = first[0]
    if _is_manifest(first):
        return MANIFEST, read_manifest
    if tables.is_common_voice(header):
        return "Common Voice", tables.read_common_voice
    if fairseq.is_fairseq(first):
        return "fairseq", fairseq.read_fairseq
    if tables.separator_of(header):
        return "table", tables.read_table
    if path.name.endswith((".tsv", ".txt")) and "path" in header:
        return MANIFEST, read_manifest  # whose errors say what the header lacks
    raise _unknown(path, f"is of no known format (it begins with {header[:60]!r})")


def detect(path: Path) -> tuple[str, Reader]:
    """The name of the format of `path`, and what reads it. Shar is told by `open_shards`. Raises DataError."""
    if path.is_dir():
        return _folder_format(path)
    if audio_folder.is_audio(path.name):
        raise _unknown(path, "is one recording, not a list of them; give its folder")
    first = first_lines(path, 2)
    if not first:
        # An empty file is a manifest that lacks its header, which its reader says.
        return MANIFEST, read_manifest
    if first[0].lstrip()[:1] in "{[":
        return _json_format(path, first[0])
    return _table_format(path, first)


def open_shards(path: Path) -> shar.ShardSet | None:
    """The shards of a Shar folder, or of a JSON file that lists them; None where `path` is neither."""
    if path.is_dir():
        return shar.open_shar_folder(path) if shar.is_shar(path) else None
    if not path.name.endswith(".json"):
        return None
    try:
        values = json.loads("\n".join(lines_of(path)))
    except json.JSONDecodeError:
        return None
    is_list = isinstance(values, dict) and isinstance(values.get("cuts"), list)
    return shar.open_shar_list(path, values) if is_list else None


def is_data(path: Path) -> bool:
    """Whether a file is of a known format; a quick look at its beginning."""
    try:
        name, _ = detect(path)
        return name != MANIFEST or _is_manifest(first_lines(path, 1))
    except (DataError, OSError):
        return False


def read_source(
    path: Path, root: Path | None = None, report: Report = no_report, open_limit: int | None = None
) -> DataSource:
    """What `path` holds, of whatever format; audio is relative to `root`, or else to where the format has it.

    `open_limit`: leave lengths unknown (0) rather than open more files than this. Raises DataError, for a format that
    is none with the list of those that are.
    """
    if not path.exists():
        raise DataError(f"cannot read the manifest {path}: No such file or directory")
    shards = open_shards(path)
    if shards is not None:
        return DataSource(path, SHAR, shards=shards)
    name, reader = detect(path)
    clips = reader(path, root)
    if not clips:
        raise DataError(f"{path} ({name}) names no clips")
    return DataSource(path, name, fill_durations(clips, path, report, open_limit))
