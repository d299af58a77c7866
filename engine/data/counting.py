"""How much a data source holds: clips, seconds, transcripts, speakers. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from engine.data.cache_folder import FactFile
from engine.data.formats.audio_folder import holds_audio
from engine.data.formats.librispeech import TRANSCRIPTS
from engine.data.formats.shar import is_shar
from engine.data.sources import TABLE_SUFFIXES, DataSource, is_data, open_shards, read_source

COUNTS_VERSION = 1
MOST_OPENED = 2000
"""Files that are opened for their lengths; a check, or a training, opens all, and what it read is kept."""


@dataclass(frozen=True)
class Counts:
    """Sums of a source. `untold` clips have lengths that nobody read yet: they are not in `seconds`."""

    clips: int = 0
    seconds: float = 0.0
    transcribed: int = 0
    speakers: int = 0
    untold: int = 0


def _sum(source: DataSource) -> Counts:
    clips = transcribed = untold = 0
    seconds = 0.0
    speakers = set()
    for clip in source.all_clips():
        clips += 1
        seconds += clip.duration_s
        transcribed += bool(clip.transcript)
        untold += clip.duration_s <= 0
        speakers.add(clip.speaker)
    return Counts(clips, seconds, transcribed, len(speakers - {"unknown"}), untold)


def count(path: Path) -> Counts:
    """What `path` holds. Of shards, which may be many, the sums are kept until one changes. Raises DataError."""
    source = read_source(path, open_limit=MOST_OPENED)
    if source.shards is None:
        return _sum(source)
    stamp = []
    for shard in source.shards.shards:
        file = Path(shard.cuts)
        stamp.append([shard.cuts, file.stat().st_size, file.stat().st_mtime_ns] if file.is_file() else [shard.cuts])
    facts = FactFile("counts", str(path.absolute()))
    kept = facts.load()
    if kept.get("version") == COUNTS_VERSION and kept.get("stamp") == stamp:
        return Counts(**kept["counts"])
    counts = _sum(source)
    facts.save({"version": COUNTS_VERSION, "stamp": stamp, "counts": asdict(counts)})
    return counts


def find_sources(folder: Path) -> list[Path]:
    """The sources in a folder and in its direct subfolders: tables, and folders of a known kind.

    Where a folder has tables, the recordings beside and below it are theirs. Of LibriSpeech each split is a source.
    """
    if is_shar(folder) or _is_split(folder):
        return [folder]
    found = _tables(folder)
    owned = bool(found)
    for subfolder in _subfolders(folder):
        inside = _tables(subfolder)
        found += inside
        if not owned and not inside:
            found += _kinds(subfolder)
        elif is_shar(subfolder):
            found.append(subfolder)
    return found


def _kinds(folder: Path) -> list[Path]:
    """A folder without tables, or its splits, if it is of a known kind."""
    if is_shar(folder) or _is_split(folder):
        return [folder]
    splits = [split for split in _subfolders(folder) if _is_split(split)]
    return splits or ([folder] if holds_audio(folder) else [])


def _is_split(folder: Path) -> bool:
    return next(folder.glob(f"*/*/{TRANSCRIPTS}"), None) is not None


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _tables(folder: Path) -> list[Path]:
    if is_shar(folder):
        return []  # its lists of cuts are parts of one whole
    named = sorted(path for path in folder.iterdir() if path.name.endswith(TABLE_SUFFIXES) and path.is_file())
    return [path for path in named if is_data(path) or open_shards(path) is not None]
