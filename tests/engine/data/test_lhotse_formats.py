"""Cuts and Shar written by lhotse, read by us, and compared with what lhotse reads of them."""

import json
import tarfile
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import soundfile

from engine.config import RunConfig
from engine.data.audio import AudioCache, read_audio, to_float
from engine.data.epochs import EpochPlan, evaluation_plan
from engine.data.manifest import Clip, DataError
from engine.data.parts import CutRecord, ShardMember, Stretch
from engine.data.selection import select_clips
from engine.data.sources import read_source
from engine.text.vocabulary import Vocabulary

lhotse = pytest.importorskip("lhotse")

Record = Callable[..., Path]
Build = Callable[..., RunConfig]
SHARD_CUTS, CUTS = 4, 22


def cut_of(path: Path, text: str = "so it is", speaker: str = "ann") -> Any:
    cut = lhotse.Recording.from_file(path).to_cut()
    cut.supervisions = [
        lhotse.SupervisionSegment(
            id=cut.id, recording_id=cut.recording_id, start=0, duration=cut.duration, text=text, speaker=speaker
        )
    ]
    return cut


def as_lhotse_reads(cut: Any) -> np.ndarray:
    return cut.resample(16000).load_audio().mean(axis=0)


@pytest.fixture
def cuts(tmp_path: Path, record: Record) -> dict[str, Any]:
    mono = cut_of(record(tmp_path / "mono.wav", 2.0, 1), "hello there")
    other = cut_of(record(tmp_path / "other.wav", 1.0, 2), "and you", "bob")
    two, _ = soundfile.read(record(tmp_path / "two.wav", 1.0, 3))
    soundfile.write(tmp_path / "two.wav", np.stack((two, -two[::-1]), axis=1), 16000)
    stereo = lhotse.Recording.from_file(tmp_path / "two.wav").to_cut()
    return {
        "whole": mono,
        "part": mono.truncate(offset=0.5, duration=0.75),
        "right": lhotse.MonoCut("right", 0.25, 0.5, 1, recording=stereo.recording),
        "faster": mono.perturb_speed(1.1),
        "at 8 kHz": other.resample(8000),
        "padded": other.pad(1.5),
        "mixed": mono.mix(other, offset_other_by=0.5, snr=10),
        "one after the other": mono.append(other),
    }


def test_every_kind_of_cut_sounds_as_in_lhotse(tmp_path: Path, cuts: dict[str, Any]) -> None:
    path = tmp_path / "cuts.jsonl.gz"
    lhotse.CutSet.from_cuts(cut.with_id(name) for name, cut in cuts.items()).to_file(path)
    source = read_source(path)
    assert source.format == "lhotse cuts"
    found = dict(zip(cuts, source.clips, strict=True))
    for name, clip in found.items():
        wanted = as_lhotse_reads(cuts[name])
        heard = to_float(read_audio(clip.path, clip.part))
        assert clip.duration_s == pytest.approx(cuts[name].duration), name
        assert len(heard) == pytest.approx(len(wanted), abs=2), name
        size = min(len(heard), len(wanted)) - 100
        # our resampler (soxr) and lhotse's differ in the last bits and at the edges
        assert np.abs(heard[100:size] - np.clip(wanted, -1, 1)[100:size]).max() < 3e-3, name
    assert found["whole"].part is None
    assert found["part"].part == Stretch(0.5, 0.75)
    assert found["right"].part == Stretch(0.25, 0.5, 1)
    assert isinstance(found["mixed"].part, CutRecord)
    assert (found["whole"].transcript, found["whole"].speaker) == ("hello there", "ann")
    # half a sentence is not the sentence
    assert found["part"].transcript == ""
    assert (found["one after the other"].transcript, found["one after the other"].speaker) == (
        "hello there and you",
        "unknown",
    )


def test_cuts_moved_with_their_audio_are_found(tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    record(folder / "a.wav", 1.0)
    monkeypatch.chdir(folder)
    lhotse.CutSet.from_cuts([cut_of(Path("a.wav"))]).to_file(folder / "cuts.jsonl")
    monkeypatch.chdir(tmp_path)
    (clip,) = read_source(folder / "cuts.jsonl").clips
    assert len(read_audio(clip.path, clip.part)) == 16000
    (moved,) = read_source(folder / "cuts.jsonl", Path("/elsewhere")).clips
    assert moved.path == Path("/elsewhere/a.wav")


@pytest.fixture
def shar(tmp_path: Path, record: Record) -> Path:
    """22 cuts in 6 shards of 4."""
    originals = [
        cut_of(
            record(tmp_path / f"wav/{place}.wav", 0.5 + place / 20, place), "so it is" if place % 2 else "So. It is!"
        )
        for place in range(CUTS)
    ]
    folder = tmp_path / "shar"
    folder.mkdir()
    lhotse.CutSet.from_cuts(originals).to_shar(folder, fields={"recording": "flac"}, shard_size=SHARD_CUTS)
    return folder


def names(clips: list[Clip]) -> list[str]:
    return [clip.part.name for clip in clips if isinstance(clip.part, ShardMember)]


def test_shar_holds_what_lhotse_reads_of_it(shar: Path) -> None:
    source = read_source(shar)
    assert source.format == "lhotse Shar"
    clips = list(source.all_clips())
    wanted = list(lhotse.CutSet.from_shar(in_dir=shar))
    assert names(clips) == [cut.id for cut in wanted]
    for clip, cut in zip(clips, wanted, strict=True):
        assert clip.duration_s == pytest.approx(cut.duration)
        assert clip.transcript == cut.supervisions[0].text
        assert np.array_equal(to_float(read_audio(clip.path, clip.part)), cut.load_audio()[0])


def test_a_pass_goes_once_through_all_shards_a_few_in_each_epoch(shar: Path, small_run: Build) -> None:
    run = small_run("finetune", "data.shards_per_epoch=4")
    selection = select_clips([str(shar)], run, Vocabulary.english())
    assert selection.clips == CUTS
    assert selection.seconds == pytest.approx(sum(0.5 + place / 20 for place in range(CUTS)))
    epochs = [names(selection.of_epoch(epoch)[0]) for epoch in range(4)]
    assert sorted(epochs[0] + epochs[1]) == sorted(map(str, range(CUTS)))
    assert sorted(epochs[2] + epochs[3]) == sorted(map(str, range(CUTS)))
    assert epochs[:2] != epochs[2:]
    assert {clip.transcript for clip in selection.of_epoch(1)[0]} == {"SO IT IS"}
    # any epoch is found without those before it, by whoever asks
    again = EpochPlan(run, select_clips([str(shar)], run, Vocabulary.english()))(3)
    assert again == EpochPlan(run, selection)(3)
    evaluated = evaluation_plan(run, select_clips([str(shar)], run, Vocabulary.english(), training=False))
    assert sorted(names([clip for batch in evaluated for row in batch for clip in row.clips])) == sorted(
        epochs[0] + epochs[1]
    )


def test_what_is_streamed_is_not_kept_in_memory(shar: Path, small_run: Build) -> None:
    for shards, kept in ((2, False), (0, True)):
        run = small_run("finetune", f"data.shards_per_epoch={shards}")
        clip = select_clips([str(shar)], run, Vocabulary.english()).of_epoch(0)[0][0]
        cache = AudioCache()
        assert (cache.read(clip.path, clip.part) is cache.read(clip.path, clip.part)) is kept


def test_broken_shards_are_named(shar: Path) -> None:
    (shar / "recording.000002.tar").rename(shar / "elsewhere.tar")
    with pytest.raises(DataError, match=r"cuts\.000002\.jsonl\.gz has no recording\.000002\.tar beside it"):
        read_source(shar)
    (shar / "recording.000002.tar").write_bytes(b"no archive at all" * 100)
    clips = [clip for clip in read_source(shar).all_clips() if "000002" in clip.path.name]
    with pytest.raises(DataError, match=r"cannot read the archive .*000002\.tar"):
        read_audio(clips[0].path, clips[0].part)
    with tarfile.open(shar / "recording.000002.tar", "w"):
        pass
    clips = [clip for clip in read_source(shar).all_clips() if "000002" in clip.path.name]
    with pytest.raises(DataError, match=r"has no recording '8'"):
        read_audio(clips[0].path, clips[0].part)


@pytest.fixture
def server(shar: Path) -> Any:
    """The folder over HTTP, with the paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(shar))

        def log_message(self, *_message: Any) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        http.asked = asked  # type: ignore[attr-defined]
        yield http
        http.shutdown()


def test_shards_of_another_machine_are_brought_here_and_let_go(
    shar: Path, server: Any, tmp_path: Path, small_run: Build, cache: Path
) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    shards = {
        "cuts": [f"{address}/{path.name}" for path in sorted(shar.glob("cuts.*"))],
        "recording": [f"{address}/{path.name}" for path in sorted(shar.glob("recording.*"))],
    }
    (tmp_path / "far.json").write_text(json.dumps(shards))
    run = small_run("finetune", "data.shards_per_epoch=1")
    selection = select_clips([str(tmp_path / "far.json")], run, Vocabulary.english())
    assert selection.clips == CUTS
    for epoch in range(5):
        for clip in selection.of_epoch(epoch)[0]:
            (near,) = [near for near in read_source(shar).all_clips() if names([near]) == names([clip])]
            assert np.array_equal(read_audio(clip.path, clip.part), read_audio(near.path, near.part))
        # this epoch's, the one before and the next
        assert len([path for path in (cache / "shards").rglob("*.tar")]) <= 3
    server.asked.clear()
    (tmp_path / "far.json").write_text(json.dumps({**shards, "recording": shards["recording"][1:]}))
    with pytest.raises(DataError, match="6 files under cuts and 5 under recording"):
        read_source(tmp_path / "far.json")
