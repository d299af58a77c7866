from pathlib import Path

import pytest

from engine.data.manifest import DataError, read_manifest

HEADER = "path\tduration_s\tspeaker\ttranscript\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "clips.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_by_name_with_paths_beside_the_manifest(tmp_path: Path) -> None:
    text = "transcript\tage\tpath\tduration_s\nÇA  VA\t7\ta/b.opus\t1.5\n\n\t\tc.opus\t0.25\n"
    first, second = read_manifest(written(tmp_path, text))
    assert (first.path, first.duration_s, first.transcript) == (tmp_path / "a/b.opus", 1.5, "ÇA VA")
    assert (second.path, second.transcript, second.speaker) == (tmp_path / "c.opus", "", "unknown")
    assert second.origin.endswith("clips.tsv:4")


def test_root_and_byte_order_mark(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + HEADER + "x.wav\t1\tann\tHI\n")
    assert read_manifest(path, Path("/speech"))[0].path == Path("/speech/x.wav")


def test_short_rows_are_unlabelled(tmp_path: Path) -> None:
    clip = read_manifest(written(tmp_path, HEADER + "x.wav\t2.0\n"))[0]
    assert (clip.transcript, clip.speaker) == ("", "unknown")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", r"clips\.tsv:1: .*'path'"),
        ("path,duration_s\nx,1\n", r"clips\.tsv:1: .*'path'.*tab-separated"),
        ("path\tseconds\nx\t1\n", r"clips\.tsv:1: .*'duration_s'"),
        (HEADER + "a.wav\t1\ts\tA\nb.wav\tlong\ts\tB\n", r"clips\.tsv:3: duration_s is 'long'"),
        (HEADER + "a.wav\t-1\ts\tA\n", r"clips\.tsv:2: duration_s is '-1'"),
        (HEADER + "a.wav\tnan\ts\tA\n", r"clips\.tsv:2: duration_s is 'nan'"),
        (HEADER + "\t1\ts\tA\n", r"clips\.tsv:2: the path is empty"),
        (HEADER, "no clips"),
        (HEADER.encode() + b"a.wav\t1\ts\t\xc9T\xc9\n", "not UTF-8"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str | bytes, wanted: str) -> None:
    with pytest.raises(DataError, match=wanted):
        read_manifest(written(tmp_path, text))


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.tsv: No such file"):
        read_manifest(tmp_path / "nowhere.tsv")
