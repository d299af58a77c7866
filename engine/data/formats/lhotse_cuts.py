"""lhotse cuts (cuts.jsonl.gz), read without lhotse: a cut that is a stretch of a file becomes a clip of that stretch.

Others (mixed, padded, several channels apart, transforms such as a speed, audio from a URL or a command) are kept as
they are written, and lhotse reads their audio.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.data.formats.json_lines import objects_of
from engine.data.manifest import Clip, DataError
from engine.data.parts import CutRecord, Part, Stretch

CUT_TYPES = ("MonoCut", "MultiCut", "MixedCut", "PaddingCut")
OVERLAP_S = 0.05
"""A supervision that reaches further out of its cut than this is not what is said in it."""
WHOLE_S = 0.001


def is_cut(values: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a cut."""
    return values.get("type") in CUT_TYPES and ("tracks" in values or "duration" in values)


def other_manifest(values: Mapping[str, Any]) -> str:
    """`recordings` or `supervisions` where the object is one of these; they have to be made cuts first."""
    if "sources" in values and "sampling_rate" in values:
        return "recordings"
    return "supervisions" if "recording_id" in values else ""


def _supervisions(cut: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "tracks" not in cut:
        found: list[Mapping[str, Any]] = cut.get("supervisions") or []
        return found
    return [
        {**said, "start": float(said.get("start", 0)) + float(track.get("offset", 0))}
        for track in cut["tracks"]
        for said in track["cut"].get("supervisions") or []
    ]


def cut_duration(cut: Mapping[str, Any]) -> float:
    """Seconds of a cut."""
    if "tracks" in cut:
        return max(float(track.get("offset", 0)) + float(track["cut"]["duration"]) for track in cut["tracks"])
    return float(cut["duration"])


def said_in(cut: Mapping[str, Any]) -> tuple[str, str]:
    """(speaker, transcript) of a cut. A cut that goes through the middle of a supervision has no transcript."""
    parts = sorted(_supervisions(cut), key=lambda said: float(said.get("start", 0)))
    duration_s = cut_duration(cut)
    inside = all(
        float(said.get("start", 0)) >= -OVERLAP_S
        and float(said.get("start", 0)) + float(said.get("duration", 0)) <= duration_s + OVERLAP_S
        for said in parts
    )
    text = " ".join(str(said.get("text") or "") for said in parts) if inside else ""
    speakers = {str(said["speaker"]) for said in parts if said.get("speaker")}
    return speakers.pop() if len(speakers) == 1 else "unknown", " ".join(text.split())


def _place(source: str, folder: Path, root: Path | None) -> Path:
    """lhotse takes paths from where it runs; a manifest that has moved has them beside it, or below `root`."""
    if root is not None:
        return root / source
    path = Path(source)
    return path if path.is_absolute() or path.exists() else folder / path


def _simple_source(cut: Mapping[str, Any]) -> str:
    """The audio file of a cut that is a stretch of one; "" for all others."""
    recording = cut.get("recording") or {}
    sources = recording.get("sources") or []
    if cut.get("type") != "MonoCut" or len(sources) != 1 or recording.get("transforms"):
        return ""
    return str(sources[0]["source"]) if sources[0].get("type") == "file" else ""


def _part(cut: Mapping[str, Any]) -> Part | None:
    recording = cut["recording"]
    start_s, duration_s = float(cut.get("start", 0)), float(cut["duration"])
    channels = recording.get("channel_ids") or recording["sources"][0].get("channels") or [0]
    whole = start_s == 0 and abs(duration_s - float(recording["duration"])) < WHOLE_S
    if len(channels) == 1:
        return None if whole else Stretch(start_s, duration_s)
    return Stretch(start_s, duration_s, channels.index(cut.get("channel", 0)))


def read_lhotse_cuts(path: Path, root: Path | None = None) -> list[Clip]:
    """The cuts of a manifest. Raises DataError."""
    clips = []
    for number, cut in objects_of(path):
        origin = f"{path}:{number}"
        try:
            speaker, text = said_in(cut)
            duration_s = cut_duration(cut)
            source = _simple_source(cut)
            file = _place(source, path.parent, root) if source else path
            part = _part(cut) if source else CutRecord(json.dumps(cut))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{origin}: not a lhotse cut ({error!r}): write it with CutSet.to_file") from error
        clips.append(Clip(file, duration_s, speaker, text, origin, part))
    return clips
