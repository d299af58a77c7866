from collections.abc import Callable
from pathlib import Path

import pytest

from engine.config import ConfigError, RunConfig, with_settings
from engine.data.manifest import DataError
from engine.data.selection import adjacent_repeats, select_clips
from engine.text.vocabulary import Vocabulary

Build = Callable[..., RunConfig]


def manifest(folder: Path, *rows: tuple[float, str]) -> str:
    lines = ["path\tduration_s\tspeaker\ttranscript"]
    for place, (seconds, text) in enumerate(rows):
        (folder / f"{place}.wav").touch()
        lines.append(f"{place}.wav\t{seconds}\ts\t{text}")
    path = folder / "clips.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_one_sentence_counts_what_is_left_out(tmp_path: Path, small_run: Build) -> None:
    path = manifest(tmp_path, (1.0, "GOOD"), (2.0, ""), (0.1, "A"), (40.0, "LONG"), (1.0, "ÉTÉ"), (1.0, "CAFÉ"))
    selection = select_clips([path], small_run("finetune"), Vocabulary.english())
    assert [clip.transcript for group in selection.groups for clip in group] == ["GOOD"]
    assert selection.warning.startswith("5 clips are left out: ")
    assert "1 without a transcript" in selection.warning
    assert "2 with symbols outside the vocabulary (for example" in selection.warning
    assert "'É' in 'ÉTÉ'" in selection.warning
    assert "clips.tsv:6" in selection.warning


def test_more_letters_than_frames_cannot_be_aligned(tmp_path: Path, small_run: Build) -> None:
    # 0.45 s give 22 frames: 21 letters fit, 22 with one repeat do not.
    fits, no_fit = "AB" * 10 + "A", "AB" * 10 + "AA"
    assert adjacent_repeats([1, 1, 2, 2, 2, 1]) == 3
    run = small_run("finetune")
    path = manifest(tmp_path, (0.45, fits), (0.45, no_fit), (0.45, "AA" * 10 + "A"))
    selection = select_clips([path], run, Vocabulary.english())
    assert selection.clips == 1
    assert "2 with more letters than frames" in selection.warning
    assert "22 frames" in selection.warning
    # played faster, the first has too few frames as well
    with pytest.raises(DataError, match="more letters than frames"):
        select_clips([path], with_settings(run, ["data.speed=0.1"]), Vocabulary.english())
    # error rates count every clip
    assert select_clips([path], run, Vocabulary.english(), training=False).clips == 3


def test_exclude_is_a_pattern_for_paths_in_training_only(tmp_path: Path, small_run: Build) -> None:
    path = manifest(tmp_path, (1.0, "A"), (1.0, "B"), (1.0, "C"))
    run = small_run("finetune", r"data.exclude=[01]\.wav$")
    assert [clip.transcript for clip in select_clips([path], run, Vocabulary.english()).groups[0]] == ["C"]
    assert select_clips([path], run, Vocabulary.english(), training=False).clips == 3
    with pytest.raises(DataError, match="matches every path"):
        select_clips([path], small_run("finetune", "data.exclude=wav"), Vocabulary.english())
    with pytest.raises(ConfigError, match="not a regular expression"):
        select_clips([path], small_run("finetune", "data.exclude=["), Vocabulary.english())


def test_pretraining_needs_no_transcripts(tmp_path: Path, small_run: Build) -> None:
    path = manifest(tmp_path, (1.0, ""), (0.2, ""))
    selection = select_clips([path], small_run("pretrain"), None)
    assert (selection.clips, selection.seconds) == (1, 1.0)
    with pytest.raises(DataError, match=r"no clip of .* can be used: 2 clips .* shorter than data\.min_s=3"):
        select_clips([path], small_run("pretrain", "data.min_s=3"), None)


def test_a_missing_file_is_named_with_its_line(tmp_path: Path, small_run: Build) -> None:
    path = manifest(tmp_path, (1.0, "A"), (1.0, "B"))
    (tmp_path / "1.wav").unlink()
    with pytest.raises(DataError, match=r"clips\.tsv:3: there is no file .*1\.wav"):
        select_clips([path], small_run("pretrain"), None)
