"""Data sets of other formats on the Train screen's list, counted as the engine reads them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from w2v_studio.training.manifests import Manifest, find_manifests


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W2V_STUDIO_CACHE", str(tmp_path / "cache"))


def sound(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(16000 * seconds), dtype=np.int16), 16000)


def listed(*folders: Path) -> dict[str, Manifest]:
    return {manifest.name: manifest for manifest in find_manifests(folders)}


def test_tables_and_folders_beside_manifests(tmp_path: Path) -> None:
    corpora = tmp_path / "corpora"
    sound(corpora / "own/audio/a.flac")
    (corpora / "own/train.tsv").write_text("path\tduration_s\tspeaker\ttranscript\naudio/a.flac\t1\tann\tHI\n")
    (corpora / "own/speakers.tsv").write_text("speaker\tsex\nann\tF\n")
    (corpora / "own/vocab.json").write_text('{"<pad>": 0, "A": 1}')
    sound(corpora / "nemo/a.wav", 2.0)
    (corpora / "nemo/train.jsonl").write_text('{"audio_filepath": "a.wav", "duration": 2.0, "text": "hi"}\n')
    sound(corpora / "dev-clean/84/1/84-1-0000.flac", 1.5)
    (corpora / "dev-clean/84/1/84-1.trans.txt").write_text("84-1-0000 HI\n")
    sound(corpora / "voices/a.wav", 0.5)
    sound(corpora / "voices/b.wav", 0.5)
    (corpora / "voices/a.txt").write_text("hi")
    (corpora / "empty").mkdir()
    found = listed(corpora)
    assert set(found) == {"own/train", "nemo/train", "corpora/dev-clean", "corpora/voices"}
    nemo, read, voices = found["nemo/train"], found["corpora/dev-clean"], found["corpora/voices"]
    assert (nemo.clips, nemo.seconds, nemo.transcribed, nemo.is_transcribed) == (1, 2.0, 1, True)
    assert (read.clips, read.seconds, read.speakers) == (1, 1.5, 1)
    assert (voices.clips, voices.transcribed, voices.duration_text) == (2, 1, "0.0 min")
    # added by themselves
    assert set(listed(corpora / "dev-clean")) == {"corpora/dev-clean"}
    assert set(listed(corpora / "own")) == {"own/train"}


def test_a_shar_folder_is_one_data_set_counted_once(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    for place in range(3):
        sound(tmp_path / f"wav/{place}.wav", 1.0)
    cuts = [lhotse.Recording.from_file(tmp_path / f"wav/{place}.wav").to_cut() for place in range(3)]
    (tmp_path / "corpora/big").mkdir(parents=True)
    lhotse.CutSet.from_cuts(cuts).to_shar(tmp_path / "corpora/big", fields={"recording": "wav"}, shard_size=2)
    for _ in range(2):  # the second time from what was kept
        (big,) = listed(tmp_path / "corpora").values()
        assert (big.name, big.clips, big.seconds, big.transcribed) == ("corpora/big", 3, 3.0, 0)


def test_what_is_wrong_with_a_data_set_is_told(tmp_path: Path) -> None:
    (tmp_path / "nemo").mkdir()
    (tmp_path / "nemo/train.jsonl").write_text('{"audio_filepath": "a.wav", "offset": 1}\n')
    (broken,) = listed(tmp_path).values()
    assert "train.jsonl:1: an offset needs a duration" in broken.problem


def test_lengths_that_nobody_read_yet_are_a_question_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.counting.MOST_OPENED", 1)
    for name in "ab":
        sound(tmp_path / f"in/voices/{name}.wav")
    (voices,) = listed(tmp_path / "in").values()
    assert (voices.clips, voices.untold, voices.duration_text) == (2, 2, "?")
