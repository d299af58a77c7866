"""Each finding, with a file made to have it; and that a clean set has none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from engine.config import RunConfig, with_settings
from engine.data.audit.audit import Audit, audit
from engine.data.audit.duplicates import best_correlation, groups_of, signature_of
from engine.data.audit.findings import Finding
from engine.presets import load_preset
from engine.text.vocabulary import Vocabulary

Record = Callable[..., Path]
HEADER = "path\tduration_s\tspeaker\ttranscript"


@pytest.fixture
def run() -> RunConfig:
    return load_preset("tiny-finetune")  # 0.3 to 16 s


def table(folder: Path, name: str, *rows: tuple[str, float, str, str]) -> Path:
    path = folder / f"{name}.tsv"
    path.write_text("\n".join([HEADER, *("\t".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def good(tmp_path: Path, record: Record) -> list[tuple[str, float, str, str]]:
    """Four clean clips."""
    rows = []
    for place, text in enumerate(("ONE FINE DAY", "NOTHING IS WRONG", "ALL'S WELL", "SO IT GOES")):
        record(tmp_path / f"good{place}.flac", 2.0 + place / 2, place)
        rows.append((f"good{place}.flac", 2.0 + place / 2, "ann", text))
    return rows


def heard(run: RunConfig, train: Path, vocabulary: Vocabulary | None = None, **splits: Path) -> Audit:
    chosen = vocabulary or (None if run.task == "pretrain" else Vocabulary.english())
    return audit({"train": [train], **{split: [path] for split, path in splits.items()}}, run, chosen)


def of(found: Audit, code: str) -> Finding:
    (one,) = [finding for finding in found.findings if finding.code == code]
    return one


def test_a_clean_set_has_no_findings_and_right_sums(tmp_path: Path, run: RunConfig, good: list, record: Record) -> None:
    record(tmp_path / "v.flac", 1.5, 99)
    valid = table(tmp_path, "valid", ("v.flac", 1.5, "bob", "ELSEWHERE"))
    found = heard(run, table(tmp_path, "train", *good), valid=valid)
    assert found.findings == []
    assert not found.stops
    train, kept = found.splits
    assert (train.clips, train.usable_clips, train.transcribed, train.speakers) == (4, 4, 4, 1)
    assert train.seconds == pytest.approx(11.0)
    assert (train.shortest_s, train.median_s, train.longest_s) == (2.0, 2.75, 3.5)
    assert (kept.name, kept.clips, kept.formats) == ("valid", 1, ["manifest"])


def test_what_cannot_be_read_stops_and_is_named(tmp_path: Path, run: RunConfig, good: list) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, dtype=np.int16), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    whole = (tmp_path / "good0.flac").read_bytes()
    (tmp_path / "torn.flac").write_bytes(whole[: len(whole) // 3])
    rows = [(name, 1.0, "x", "HI") for name in ("text.wav", "gone.wav", "none.wav", "nan.wav", "torn.flac")]
    finding = of(
        audit({"train": [table(tmp_path, "train", *good, *rows)]}, run, Vocabulary.english(), shown=9), "unreadable"
    )
    assert (finding.severity, finding.clips) == ("stop", 5)
    said = {case.origin.rpartition(":")[2]: case.detail for case in finding.cases}
    assert "text.wav as audio" in said["6"]
    assert "no file" in said["7"]
    assert "no samples" in said["8"]
    assert "no numbers" in said["9"]
    assert "torn.flac" in said["10"]


def test_level_rate_channels_and_length(tmp_path: Path, run: RunConfig, good: list, record: Record) -> None:
    rng = np.random.default_rng(5)
    soundfile.write(tmp_path / "silent.wav", 1e-4 * rng.standard_normal(16000), 16000)
    loud = 3 * np.sin(np.arange(32000) / 9) * np.interp(np.arange(32000), [0, 32000], [0.1, 1])
    soundfile.write(tmp_path / "clipped.wav", np.clip(loud, -1, 1), 16000)
    # clipped before it was made softer
    soundfile.write(tmp_path / "softer.wav", 0.3 * np.clip(loud[::-1], -1, 1), 16000)
    record(tmp_path / "phone.wav", 1.0, 20, rate=8000)
    wide = np.stack([soundfile.read(record(tmp_path / "x.wav", 1.0, seed))[0] for seed in (21, 22)], axis=1)
    soundfile.write(tmp_path / "wide.wav", wide, 16000)
    record(tmp_path / "long.flac", 3.0, 23)
    rows = [
        ("silent.wav", 1.0),
        ("clipped.wav", 2.0),
        ("softer.wav", 2.0),
        ("phone.wav", 1.0),
        ("wide.wav", 1.0),
        ("long.flac", 1.0),
    ]
    found = heard(run, table(tmp_path, "train", *good, *((*row, "x", "HI") for row in rows)))
    by_code = {finding.code: [case.origin.rpartition(":")[2] for case in finding.cases] for finding in found.findings}
    assert by_code == {
        "silent": ["6"],
        "clipped": ["7", "8"],
        "rate": ["9"],
        "stereo": ["10"],
        "wrong_length": ["11"],
    }
    assert of(found, "rate").cases[0].detail == "8000 Hz"
    assert of(found, "wrong_length").cases[0].detail == "3.00 s, not 1.00 s"
    assert {finding.severity for finding in found.findings} == {"warning", "note"}


def test_too_long_too_short_and_without_text(tmp_path: Path, run: RunConfig, good: list, record: Record) -> None:
    record(tmp_path / "short.flac", 0.2, 30)
    record(tmp_path / "long.flac", 17.0, 31)
    record(tmp_path / "mute.flac", 1.0, 32)
    rows = [("short.flac", 0.2, "x", "A"), ("long.flac", 17.0, "x", "HI"), ("mute.flac", 1.0, "x", "")]
    path = table(tmp_path, "train", *good, *rows)
    found = heard(run, path)
    assert {finding.code for finding in found.findings} == {"short", "long", "unlabelled"}
    assert of(found, "long").cases[0].detail == "17.00 s"
    assert found.splits[0].usable_clips == 4
    # as far as the settings go, and pre-training wants no text
    assert {f.code for f in heard(with_settings(run, ["data.max_s=20"]), path).findings} == {"short", "unlabelled"}
    assert {f.code for f in heard(load_preset("tiny-pretrain"), path).findings} == {"short"}


def test_symbols_outside_the_vocabulary_are_counted(tmp_path: Path, run: RunConfig, good: list, record: Record) -> None:
    record(tmp_path / "cafe.flac", 2.0, 40)
    record(tmp_path / "seven.flac", 2.0, 41)
    rows = [("cafe.flac", 2.0, "x", "CAFÉ ÉTÉ"), ("seven.flac", 2.0, "x", "7 TIMES")]
    found = heard(run, table(tmp_path, "train", *good, *rows))
    finding = of(found, "symbols")
    assert (finding.severity, finding.clips) == ("warning", 2)
    assert "'É' 3 times, '7' 1 times" in finding.message
    assert "'É' in 'CAFÉ ÉTÉ'" in finding.cases[0].detail
    assert {character: count for character, (count, _) in found.characters.items()} == {"É": 3, "7": 1}
    # most of a split is lost: that is no accident
    found = heard(run, table(tmp_path, "train", good[0], *rows))
    assert of(found, "symbols").severity == "stop"
    found = heard(run, table(tmp_path, "train", *rows))
    assert of(found, "nothing_usable").severity == "stop"


def test_text_that_is_mended_is_shown(tmp_path: Path, run: RunConfig, record: Record) -> None:
    record(tmp_path / "a.wav", 2.0, 50)
    csv = tmp_path / "train.csv"
    csv.write_text('path,text\na.wav,"Well, it’s so."\n', encoding="utf-8")
    found = heard(run, csv)
    assert [finding.code for finding in found.findings] == ["normalised"]
    assert "'Well, it’s so.' becomes \"WELL IT'S SO\"" in found.findings[0].cases[0].detail
    found = heard(with_settings(run, ["data.normalize=never"]), csv)
    assert [finding.code for finding in found.findings] == ["symbols", "nothing_usable"]
    manifest = table(tmp_path, "own", ("a.wav", 2.0, "x", "Well so"))
    assert of(heard(run, manifest), "symbols").severity == "stop"
    assert heard(with_settings(run, ["data.normalize=always"]), manifest).findings[0].code == "normalised"


def test_more_letters_than_frames(tmp_path: Path, run: RunConfig, good: list, record: Record) -> None:
    # at 1.1 times the speed 0.5 s are 22 frames: 22 letters fit; with a double one they need 23
    record(tmp_path / "full.flac", 0.5, 60)
    record(tmp_path / "over.flac", 0.5, 61)
    rows = [("full.flac", 0.5, "x", "ABCDEFGHIJKLMNOPQRSTUV"), ("over.flac", 0.5, "x", "ABCDEFGHIJKLMNOPQRSTUU")]
    found = heard(run, table(tmp_path, "train", *good, *rows))
    finding = of(found, "too_many_letters")
    assert finding.clips == 1
    assert "1 frames too few for 'ABCDEFGHIJKLMNOPQRSTUU'" in finding.cases[0].detail
    assert found.splits[0].usable_clips == 5


def test_speakers_in_two_splits(tmp_path: Path, run: RunConfig, good: list, record: Record) -> None:
    for place in range(3):
        record(tmp_path / f"v{place}.flac", 1.0, 70 + place)
    rows = [("v0.flac", 1.0, "ann", "A"), ("v1.flac", 1.0, "bob", "B"), ("v2.flac", 1.0, "unknown", "C")]
    good = [*good, (*good[0][:2], "unknown", good[0][3])]
    found = heard(run, table(tmp_path, "train", *good[1:]), valid=table(tmp_path, "valid", *rows))
    finding = of(found, "shared_speakers")
    assert (finding.split, finding.clips, finding.severity) == ("valid", 1, "warning")
    assert "speakers who are in train too (1): ann" in finding.message


ENCODINGS = {
    "wav": {"format": "WAV"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "vorbis": {"format": "OGG", "subtype": "VORBIS"},
    "mp3": {"format": "MP3"},
    "mulaw at 8 kHz, softer": {"format": "WAV", "subtype": "ULAW", "rate": 8000, "gain": 0.3},
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_same_recording_in_another_encoding(encoding: str, tmp_path: Path, run: RunConfig, good: list) -> None:
    options = dict(ENCODINGS[encoding])
    rate, gain = options.pop("rate", 16000), options.pop("gain", 1.0)
    samples, _ = soundfile.read(tmp_path / "good2.flac", dtype="float32")
    coded = soxr.resample(samples, 16000, rate) * gain
    soundfile.write(tmp_path / "copy.bin", coded, rate, **options)
    train = table(tmp_path, "train", *good)
    valid = table(tmp_path, "valid", ("copy.bin", 3.0, "eve", "ALL'S WELL"))
    found = heard(run, train, valid=valid)
    finding = of(found, "leaked")
    assert (finding.severity, finding.split, finding.clips) == ("stop", "valid", 1)
    kind = "equal samples" if encoding == "wav" else "another encoding"
    assert finding.cases[0].detail == f"is {train}:4 ({kind})"
    twice = heard(run, table(tmp_path, "train", *good, ("copy.bin", 3.0, "ann", "ANOTHER TEXT")))
    finding = of(twice, "duplicate")
    assert (finding.severity, finding.clips) == ("warning", 1)
    assert "with another transcript" in finding.cases[0].detail
    assert not twice.stops


def test_like_is_not_the_same(tmp_path: Path, run: RunConfig) -> None:
    """One swell, two voices under it: like signatures, other samples."""
    rng = np.random.default_rng(1)
    swell = np.interp(np.arange(32000), np.arange(0, 32001, 2000), rng.uniform(0.05, 1, 17))
    rows = []
    for place in range(2):
        sound = 0.2 * swell * np.sin(np.cumsum(rng.uniform(0.1, 0.4, 32000)))
        soundfile.write(tmp_path / f"{place}.wav", sound, 16000)
        rows.append((f"{place}.wav", 2.0, "x", "HI"))
    first, second = (soundfile.read(tmp_path / f"{place}.wav", dtype="int16")[0] for place in range(2))
    one, two = signature_of(first), signature_of(second)
    assert one is not None
    assert two is not None
    assert float(one.astype(np.float32) @ two.astype(np.float32)) > 0.97
    assert best_correlation(first, second) < 0.5
    assert heard(run, table(tmp_path, "train", *rows)).findings == []


def test_two_silent_clips_are_silent_and_no_duplicates(tmp_path: Path, run: RunConfig, good: list) -> None:
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(16000, dtype=np.int16), 16000)
    found = heard(run, table(tmp_path, "train", *good, ("a.wav", 1.0, "x", "A"), ("b.wav", 1.0, "x", "B")))
    assert [finding.code for finding in found.findings] == ["silent"]


def test_groups_are_what_pairs_join() -> None:
    assert groups_of(7, [(5, 1), (2, 4), (1, 6)]) == [[1, 5, 6], [2, 4]]


def test_long_and_many_clips_are_read_by_any_number_of_threads(tmp_path: Path, run: RunConfig, record: Record) -> None:
    rows = []
    for place in range(70):
        record(tmp_path / f"{place}.wav", 0.4, place)
        rows.append((f"{place}.wav", 0.4, "x", "A"))
    told: list[tuple[str, int, int]] = []
    path = table(tmp_path, "train", *rows)
    results = [
        audit({"train": [path]}, run, Vocabulary.english(), report=lambda *step: told.append(step), workers=workers)
        for workers in (1, 4)
    ]
    assert results[0].to_mapping() == results[1].to_mapping()
    assert ("listening", 64, 70) in told
    assert ("listening", 70, 70) in told
