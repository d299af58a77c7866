"""N-gram models as .npz: against the ARPA file that is written of the same texts."""

import io
import zipfile

import numpy as np
import pytest

from engine.__main__ import main as engine
from engine.text.ngram.packed import PackedModelError, read_packed
from w2v_studio.recognition.decoding.ngram_file import read_ngrams
from w2v_studio.recognition.decoding.settings import DecodingError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same model of random sentences in both forms; words come up as unevenly as in texts."""
    folder = tmp_path_factory.mktemp("lm")
    rng = np.random.default_rng(1)
    names = ["".join(rng.choice([*"ABCDEFGHIJ"], 4)) for _ in range(600)]
    lines = [" ".join(names[min(rank, 599)] for rank in rng.zipf(1.3, rng.integers(1, 12))) for _ in range(3000)]
    (folder / "text.txt").write_text("\n".join(lines) + "\n")
    for name in ("lm.arpa", "lm.npz"):
        made = ["build-lm", str(folder / "text.txt"), "--order", "4", "--prune", "0", "--out", str(folder / name)]
        assert engine(made) == 0
    return folder


def test_it_has_the_n_grams_of_the_arpa_file(files):
    words, levels = read_packed(files / "lm.npz")
    wanted, order = {}, 0
    for line in (files / "lm.arpa").read_text().splitlines():
        if line.startswith("\\") and line.endswith("-grams:"):
            order = int(line[1 : line.index("-")])
        elif order and len(fields := line.split()) > order:
            back = float(fields[order + 1]) if len(fields) > order + 1 else 0.0
            wanted[tuple(fields[1 : order + 1])] = (float(fields[0]), back)
    found, texts = {}, [()]
    for level in levels:
        before = [()] * len(level.word) if texts == [()] else [texts[row] for row in level.prefix.tolist()]
        texts = [(*text, words[word]) for text, word in zip(before, level.word.tolist(), strict=True)]
        found |= dict(zip(texts, zip(level.log_prob.tolist(), level.backoff.tolist(), strict=True), strict=True))
    assert found.keys() == wanted.keys()
    assert len(levels) == 4
    assert min(len(level.word) for level in levels) > 300
    off = np.array([np.subtract(found[text], wanted[text]) for text in wanted])
    # 255 values for thousands of numbers: those of the middle near to them, the rare ones at the ends less so.
    assert np.abs(off).mean() < 0.01
    assert np.abs(off).max() < 0.5
    single = np.array([np.subtract(found[text], wanted[text]) for text in wanted if len(text) == 1])
    assert np.abs(single).max() < 1e-4
    assert all((found[text][1] == 0) == (wanted[text][1] == 0) for text in wanted)


def test_it_is_smaller_and_scores_alike(files):
    assert (files / "lm.npz").stat().st_size < 0.25 * (files / "lm.arpa").stat().st_size
    packed, plain = read_ngrams(files / "lm.npz"), read_ngrams(files / "lm.arpa")
    assert (packed.nodes, packed.order) == (plain.nodes, plain.order)
    rng = np.random.default_rng(2)
    names = [*plain.words, "UNHEARD"]
    totals = []
    texts = rng.choice(names, (400, 7))
    for model in (packed, plain):
        histories, total = np.full(len(texts), model.start, np.int32), np.zeros(len(texts))
        for column in texts.T:
            said, histories = model.score(histories, np.array([model.word(name) for name in column], np.int32))
            total += said
        totals.append(total + model.finish(histories))
    np.testing.assert_allclose(*totals, atol=0.5)
    assert np.abs(totals[0] - totals[1]).mean() < 0.1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("2.counts", lambda counts: counts[:-1]),
        ("2.counts", lambda counts: counts + np.uint8(1)),
        ("2.counts", lambda counts: counts.astype(np.int64) + 2**50),  # would not fit into any memory
        ("3.leaps", lambda leaps: leaps + np.uint8(9)),
        ("3.log_probs", lambda codes: codes[:-2]),
        ("3.log_prob_values", lambda values: values[:7]),
        ("3.log_prob_values", lambda values: values * np.nan),
        ("1.backoffs", lambda values: values[:-1]),
        ("words", lambda words: words[:-40]),
        ("format", lambda number: number + 1),
    ],
)
def test_damaged_models_are_refused(files, tmp_path, name, change):
    with np.load(files / "lm.npz") as file:
        content = {key: file[key] for key in file.files}
    content[name] = change(content[name])
    np.savez_compressed(tmp_path / "lm.npz", **content)
    with pytest.raises(PackedModelError):
        read_packed(tmp_path / "lm.npz")
    with pytest.raises(DecodingError):
        read_ngrams(tmp_path / "lm.npz")


def test_other_files_are_refused(files, tmp_path):
    (tmp_path / "torn.npz").write_bytes((files / "lm.npz").read_bytes()[:-300])
    (tmp_path / "text.npz").write_text("\\data\\\n")
    np.savez(tmp_path / "other.npz", words=np.zeros(3))
    np.savez(tmp_path / "objects.npz", format=np.array(1), words=np.array([{}], dtype=object))
    for name in ("torn", "text", "other", "objects"):
        with pytest.raises(DecodingError, match=r"cannot be read as a language model"):
            read_ngrams(tmp_path / f"{name}.npz")
    with pytest.raises(DecodingError, match="there is no language model"):
        read_ngrams(tmp_path / "nowhere.npz")


def test_bytes_that_changed_are_noticed(files, tmp_path):
    """In what is packed. Names and times in the archive stand in it twice, or do not matter."""
    whole = (files / "lm.npz").read_bytes()
    with zipfile.ZipFile(files / "lm.npz") as archive:
        entries = [entry for entry in archive.infolist() if entry.compress_size > 300]
    assert len(entries) > 8
    for entry in entries:
        place = entry.header_offset + 200
        torn = bytearray(whole)
        torn[place : place + 4] = bytes(255 - byte for byte in torn[place : place + 4])
        (tmp_path / "lm.npz").write_bytes(torn)
        with pytest.raises(DecodingError):
            read_ngrams(tmp_path / "lm.npz")


def test_absurd_sizes_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.text.ngram.packed.MOST_BYTES", 1000)
    header = io.BytesIO()
    np.lib.format.write_array(header, np.zeros(100_000, np.uint8))
    with zipfile.ZipFile(tmp_path / "lm.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("words.npy", header.getvalue())
    with pytest.raises(PackedModelError, match="would take"):
        read_packed(tmp_path / "lm.npz")
