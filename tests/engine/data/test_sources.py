"""Every format, written by hand as its makers write it or by their own library, and read."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.data.audio import read_audio
from engine.data.manifest import Clip, DataError
from engine.data.sources import KNOWN_FORMATS, DataSource, read_source

Record = Callable[..., Path]
ROOT = Path(__file__).parents[3]


def facts(clips: list[Clip]) -> list[tuple[str, float, str, str]]:
    return [(clip.path.name, round(clip.duration_s, 3), clip.speaker, clip.transcript) for clip in clips]


def read(path: Path, wanted: str, root: Path | None = None) -> DataSource:
    source = read_source(path, root)
    assert source.format == wanted
    return source


def test_librispeech_at_any_depth(tmp_path: Path, record: Record) -> None:
    split = tmp_path / "LibriSpeech" / "dev-clean"
    record(split / "84/121123/84-121123-0000.flac", 1.0)
    record(split / "84/121123/84-121123-0001.flac", 1.5)
    record(split / "174/50561/174-50561-0000.flac", 0.5)
    (split / "84/121123/84-121123.trans.txt").write_text("84-121123-0000 GO  ON\n84-121123-0001 IT'S SO\n")
    (split / "174/50561/174-50561.trans.txt").write_text("174-50561-0000 FORGOTTEN\n")
    clips = read(tmp_path / "LibriSpeech", "LibriSpeech").clips
    assert facts(clips) == [
        ("174-50561-0000.flac", 0.5, "174", "FORGOTTEN"),
        ("84-121123-0000.flac", 1.0, "84", "GO ON"),
        ("84-121123-0001.flac", 1.5, "84", "IT'S SO"),
    ]
    assert clips[2].origin.endswith("84-121123.trans.txt:2")
    assert len(read(split / "84/121123", "LibriSpeech").clips) == 2
    (split / "84/121123/84-121123-0001.flac").unlink()
    with pytest.raises(DataError, match=r"trans\.txt:2: there is no 84-121123-0001\.flac"):
        read_source(split)


def test_common_voice_with_and_without_its_durations(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "clips/common_voice_en_1.mp3", 1.0)
    record(tmp_path / "clips/common_voice_en_2.mp3", 2.0)
    head = "client_id\tpath\tsentence_id\tsentence\tup_votes\n"
    rows = 'ab12\tcommon_voice_en_1.mp3\t1\t"Why, yes", he said.\t2\ncd34\tcommon_voice_en_2\t2\tNo—never!\t2\n'
    (tmp_path / "train.tsv").write_text(head + rows, encoding="utf-8")
    clips = read(tmp_path / "train.tsv", "Common Voice").clips
    assert [clip.speaker for clip in clips] == ["ab12", "cd34"]
    assert [clip.transcript for clip in clips] == ['"Why, yes", he said.', "No—never!"]
    assert [clip.duration_s for clip in clips] == pytest.approx([1.0, 2.0], abs=0.1)
    (tmp_path / "clip_durations.tsv").write_text("clip\tduration[ms]\ncommon_voice_en_1.mp3\t4321\n")
    assert read(tmp_path / "train.tsv", "Common Voice").clips[0].duration_s == 4.321


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_tables_with_columns_of_known_names(separator: str, tmp_path: Path, record: Record) -> None:
    record(tmp_path / "wavs/a.wav", 1.25)
    record(tmp_path / "wavs/b.wav", 0.75)
    quote = "" if separator == "\t" else '"'
    rows = [
        ["wav_filename", "transcript", "speaker_id"],
        ["wavs/a.wav", f"{quote}one{separator if quote else ','} two{quote}", "7"],
    ]
    rows.append(["wavs/b.wav", "three", ""])
    table = tmp_path / "train.csv"
    table.write_text("\n".join(separator.join(row) for row in rows) + "\n")
    said = f"one{separator if quote else ','} two"
    assert facts(read(table, "table").clips) == [("a.wav", 1.25, "7", said), ("b.wav", 0.75, "unknown", "three")]


def test_nemo_json_lines_with_offsets(tmp_path: Path, record: Record) -> None:
    long = record(tmp_path / "talk.wav", 3.0)
    lines = [
        {"audio_filepath": "talk.wav", "duration": 3.0, "text": "all of it"},
        {"audio_filepath": str(long), "duration": 0.5, "offset": 1.25, "text": "a part", "speaker": 4},
        {"audio_filepath": "talk.wav"},
    ]
    path = tmp_path / "manifest.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole, part, untold = read(path, "JSON lines").clips
    assert (whole.duration_s, whole.transcript, whole.part) == (3.0, "all of it", None)
    assert (part.speaker, part.duration_s) == ("4", 0.5)
    assert untold.duration_s == 3.0
    samples, _ = soundfile.read(long, dtype="int16")
    assert np.array_equal(read_audio(part.path, part.part), samples[20000:28000])
    path.write_text('{"audio_filepath": "talk.wav", "offset": 9, "duration": 1}\n')
    late = read_source(path).clips[0]
    with pytest.raises(DataError, match=r"3\.00 s long and has nothing at 9 s"):
        read_audio(late.path, late.part)
    path.write_text('{"audio_filepath": "talk.wav", "offset": 1}\n')
    with pytest.raises(DataError, match=r"manifest\.json:1: an offset needs a duration"):
        read_source(path)


def test_fairseq_with_words_letters_and_neither(tmp_path: Path, record: Record) -> None:
    audio = tmp_path / "audio"
    record(audio / "x/a.flac", 1.0)
    record(audio / "x/b.flac", 2.0)
    table = tmp_path / "train.tsv"
    table.write_text(f"{audio}\nx/a.flac\t16000\nx/b.flac\t32000\n")
    assert facts(read(table, "fairseq").clips) == [("a.flac", 1.0, "unknown", ""), ("b.flac", 2.0, "unknown", "")]
    (tmp_path / "train.ltr").write_text("H I | Y O U |\nN O |\n")
    assert [clip.transcript for clip in read_source(table).clips] == ["HI YOU", "NO"]
    (tmp_path / "train.wrd").write_text("HI THERE\nNO\n")
    assert [clip.transcript for clip in read_source(table).clips] == ["HI THERE", "NO"]
    (tmp_path / "moved").mkdir()
    assert read_source(table, tmp_path / "moved").clips[0].path == tmp_path / "moved/x/a.flac"
    (tmp_path / "train.wrd").write_text("HI THERE\n")
    with pytest.raises(DataError, match=r"train\.wrd has 1 lines for the 2 clips"):
        read_source(table)


def test_a_folder_of_recordings_with_texts_beside_them(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "in/deep/a.flac", 1.0)
    record(tmp_path / "in/b.WAV", 0.5)
    record(tmp_path / "in/c.ogg", 0.5)
    (tmp_path / "in/deep/a.txt").write_text("Hello\nthere\n")
    (tmp_path / "in/b.lab").write_text("BYE\n")
    (tmp_path / "in/readme.txt").write_text("about this folder")
    found = {name: said for name, _, _, said in facts(read(tmp_path / "in", "audio folder").clips)}
    assert found == {"a.flac": "Hello there", "b.WAV": "BYE", "c.ogg": ""}


def test_a_folder_with_tables_is_not_taken_whole(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "a.wav")
    for name in ("train", "test"):
        (tmp_path / f"{name}.tsv").write_text("path\tduration_s\na.wav\t1\n")
    with pytest.raises(DataError, match=r"holds test\.tsv, train\.tsv: name the one that you mean"):
        read_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.txt", "just some words\nand more\n", r"a\.txt is of no known format \(it begins with 'just some words'\)"),
        ("a.json", '{"name": "x"}\n', "JSON that names no audio files"),
        ("a.jsonl", "{broken\n", "begins like JSON"),
        ("a.wav", "", "is one recording, not a list"),
        (
            "recordings.jsonl",
            '{"id": "r", "sources": [], "sampling_rate": 16000}\n',
            "manifest of recordings.*lhotse cut simple",
        ),
    ],
)
def test_what_is_no_data_is_told_with_what_would_be(tmp_path: Path, name: str, content: str, wanted: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=wanted) as told:
        read_source(tmp_path / name)
    if "lhotse" not in wanted:
        assert all(known in str(told.value) for known in KNOWN_FORMATS)


def test_an_empty_folder_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="folder without data"):
        read_source(tmp_path / "empty")
    with pytest.raises(DataError, match=r"nowhere: No such file"):
        read_source(tmp_path / "nowhere")


def test_gzip_is_seen_by_content(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "a.wav")
    (tmp_path / "x.jsonl").write_bytes(gzip.compress(b'{"audio_filepath": "a.wav", "duration": 1, "text": "hi"}\n'))
    assert facts(read(tmp_path / "x.jsonl", "JSON lines").clips) == [("a.wav", 1.0, "unknown", "hi")]
    (tmp_path / "y.jsonl").write_bytes((tmp_path / "x.jsonl").read_bytes()[:-12])
    with pytest.raises(DataError, match="cut off or damaged"):
        read_source(tmp_path / "y.jsonl")


def test_lengths_are_read_once_and_again_when_the_file_changed(
    tmp_path: Path, record: Record, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    for place in range(3):
        record(folder / f"{place}.wav", 1.0 + place)
    told: list[tuple[str, int, int]] = []
    first = read_source(folder, report=lambda *step: told.append(step)).clips
    assert [clip.duration_s for clip in first] == [1.0, 2.0, 3.0]
    assert told[-1] == ("reading lengths", 3, 3)
    assert len(list((cache / "durations").iterdir())) == 1
    opened: list[Path] = []
    info = soundfile.info
    monkeypatch.setattr(soundfile, "info", lambda path: opened.append(path) or info(path))
    assert read_source(folder).clips == first
    assert opened == []
    record(folder / "1.wav", 0.25)
    assert [clip.duration_s for clip in read_source(folder).clips] == [1.0, 0.25, 3.0]
    assert opened == [folder / "1.wav"]
    # a look that may open nothing leaves the rest unknown
    record(folder / "4.wav", 1.0)
    assert [clip.duration_s for clip in read_source(folder, open_limit=0).clips] == [1.0, 0.25, 3.0, 0.0]


def test_a_cache_that_cannot_be_written_or_read_changes_nothing(tmp_path: Path, record: Record, cache: Path) -> None:
    record(tmp_path / "in/a.wav", 1.0)
    cache.write_text("a file, where a folder should be")
    assert read_source(tmp_path / "in").clips[0].duration_s == 1.0


def test_reading_data_loads_neither_torch_nor_lhotse(tmp_path: Path, record: Record) -> None:
    record(tmp_path / "a.wav")
    code = f"""
import sys
from pathlib import Path
from engine.data.sources import read_source
assert read_source(Path({str(tmp_path)!r})).clips
print([name for name in ("torch", "lhotse") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.strip() == "[]"
