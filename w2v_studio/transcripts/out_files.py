"""Where transcripts go: which recordings are meant, the file of each, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SOUND_ENDINGS = frozenset(
    "3gp aac ac3 aif aiff amr ape asf au avi caf dts dv flac flv gsm m2ts m4a m4b m4v mka mkv mov mp2 mp3 mp4 mpeg mpg "  # noqa: SIM905 (a list of it is a page)
    "mts mxf oga ogg ogv opus ra rm sph spx ts voc vob w64 wav webm wma wmv wv".split()
)
"""Endings of the files that a folder is searched for; a file that is given by name may have any."""


class OutFileError(ValueError):
    """A place that cannot be written to. The message says what to do."""


@dataclass(frozen=True)
class Recording:
    """A file to transcribe; `folder` is where it lies below the folder that was given, `target` its transcript."""

    path: Path
    folder: Path = Path()
    target: Path | None = None


def recordings(paths: Iterable[str], *, recursive: bool) -> list[Recording]:
    """The files meant, each once, in order; folders become the sound files in them, if `recursive`."""
    found: dict[Path, Recording] = {}
    for name in paths:
        path = Path(name)
        for recording in _inside(path) if recursive and path.is_dir() else [Recording(path)]:
            found.setdefault(recording.path, recording)
    return list(found.values())


def with_targets(found: Sequence[Recording], out: Path | None, ending: str, *, into_folder: bool) -> list[Recording]:
    """The recordings with the files to write: in folder `out`, or the file `out`, or beside them (None).

    Two that would have one name keep the endings of their own: `talk.wav.srt` and `talk.mp4.srt`.
    """
    if out is not None and not into_folder:
        return [replace(found[0], target=out)]
    names = Counter(_target(recording, out, recording.path.stem + ending) for recording in found)
    result = []
    for recording in found:
        target = _target(recording, out, recording.path.stem + ending)
        if names[target] > 1:
            target = _target(recording, out, recording.path.name + ending)
        result.append(replace(recording, target=target))
    return result


def write_whole(target: Path, content: str, *, force: bool) -> None:
    """Write the file, with its folder; on any failure there is none, or the old one. Raises OutFileError."""
    part: Path | None = None
    try:
        if target.exists() and not force:
            raise OutFileError(existing(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            part = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())  # as any new file, where temporary ones are private
        part.replace(target)
    except OSError as error:
        raise OutFileError(f"{target} cannot be written ({error.strerror or error}); choose another place") from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def existing(target: Path) -> str:
    """The sentence for a transcript that is there already."""
    return f"{target} exists; --force replaces it, --skip-existing leaves such recordings out"


def _inside(folder: Path) -> Iterator[Recording]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.rpartition(".")[2].lower() in SOUND_ENDINGS and "." in name:
                yield Recording(Path(parent) / name, Path(parent).relative_to(folder))


def _target(recording: Recording, out: Path | None, name: str) -> Path:
    return recording.path.parent / name if out is None else out / recording.folder / name


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
