from pathlib import Path

from w2v_studio.training.data_folders import DataFolders
from w2v_studio.training.manifests import find_manifests, read_manifest

HEAD = "path\tduration_s\tspeaker\ttranscript\n"


def test_counts_clips_seconds_transcripts_and_named_speakers(tmp_path: Path) -> None:
    path = tmp_path / "digits" / "train.tsv"
    path.parent.mkdir()
    path.write_text(
        HEAD + "a.flac\t1.5\tanna\tONE\n" + "b.flac\t2.25\tbob\t\n" + 'c.flac\t0.25\tunknown\tHE SAID "NO\n',
        encoding="utf-8",
    )
    manifest = read_manifest(path)
    assert manifest is not None
    assert (manifest.clips, manifest.seconds, manifest.transcribed, manifest.speakers) == (3, 4.0, 2, 2)
    assert manifest.name == "digits/train"
    assert not manifest.is_transcribed


def test_tables_of_something_else_are_no_manifests(tmp_path: Path) -> None:
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\n1\tF\n", encoding="utf-8")
    (tmp_path / "phones.tsv").write_text("path\tstart_s\tend_s\tphone\tword\n", encoding="utf-8")
    assert find_manifests([tmp_path]) == []


def test_problems_are_told_not_raised(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(HEAD + "a.flac\t1\tx\tONE\nb.flac\tlong\tx\tTWO\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_bytes(HEAD.encode() + b"\xff\xfe\t1\tx\tONE\n")
    (tmp_path / "c.tsv").write_text(HEAD, encoding="utf-8")
    problems = [manifest.problem for manifest in find_manifests([tmp_path])]
    assert problems[0].startswith("line 3 ")
    assert problems[1].startswith("cannot be read")
    assert problems[2] == "has no clips"


def test_added_folders_are_remembered_once_and_a_broken_list_counts_as_empty(tmp_path: Path) -> None:
    extra, found = tmp_path / "extra", tmp_path / "found"
    extra.mkdir()
    found.mkdir()
    folders = DataFolders(tmp_path / "home", (found, tmp_path / "missing"))
    folders.add(extra)
    folders.add(extra)
    assert DataFolders(tmp_path / "home", (found,)).all() == [extra, found]
    folders.remove(extra)
    assert folders.all() == [found]
    (tmp_path / "home" / "datasets.json").write_text("{", encoding="utf-8")
    assert folders.added() == []
