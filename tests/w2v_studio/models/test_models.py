"""Models of the user: adding, checking, removing. Real bundles, real ONNX sessions."""

import json
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from export.bundle import BundleError, open_bundle
from w2v_studio.__main__ import main
from w2v_studio.assets import bundled_models_folder
from w2v_studio.bundles import find_bundle, installed_bundles, own_bundles_folder
from w2v_studio.models.adding import AddingCancelledError, AddRequest, ModelAdder
from w2v_studio.models.checking import check_bundle, sample_speech
from w2v_studio.models.published import published_models
from w2v_studio.models.removing import remove_bundle
from w2v_studio.models.sources import find_source, folder_name


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))


def add(source, **options):
    return ModelAdder().add(AddRequest(str(source), **options), lambda _line: None)


def test_a_bundle_is_copied_checked_and_found(small_bundle):
    bundle = add(small_bundle, name="Mine, too")
    assert bundle.folder == own_bundles_folder() / "Mine-too"
    assert bundle.card.name == "Mine, too"
    assert find_bundle("Mine, too").folder == bundle.folder
    assert [path.name for path in own_bundles_folder().iterdir()] == ["Mine-too"], "nothing is left beside it"
    for name in ("features.onnx", "context.onnx", "vocab.json"):
        assert (bundle.folder / name).read_bytes() == (small_bundle / name).read_bytes()


def test_a_name_is_taken_once(small_bundle):
    add(small_bundle, name="mine")
    before = (own_bundles_folder() / "mine" / "bundle.json").stat().st_mtime_ns
    with pytest.raises(BundleError, match=r"already there.*--force"):
        add(small_bundle, name="mine")
    assert (own_bundles_folder() / "mine" / "bundle.json").stat().st_mtime_ns == before
    add(small_bundle, name="mine", force=True)
    with pytest.raises(BundleError, match="choose another name"):
        add(small_bundle, name="tiny-en")


def test_a_broken_bundle_is_not_installed(small_bundle, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(small_bundle, broken)
    graph = bytearray((broken / "context.onnx").read_bytes())
    graph[len(graph) // 2] ^= 0xFF
    (broken / "context.onnx").write_bytes(bytes(graph))
    card = json.loads((broken / "bundle.json").read_text())
    with pytest.raises(BundleError, match="SHA-256" if card["weights_sha256"] else "context.onnx"):
        add(broken)
    assert list(own_bundles_folder().iterdir()) == []


def test_a_vocabulary_of_another_model_is_noticed(small_bundle, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(small_bundle, other)
    vocabulary = json.loads((other / "vocab.json").read_text())
    (other / "vocab.json").write_text(json.dumps({**vocabulary, "Ж": len(vocabulary)}))
    with pytest.raises(BundleError, match="vocabulary belongs to another model"):
        check_bundle(open_bundle(other))


@pytest.mark.parametrize(("text", "kind"), [("facebook/wav2vec2-base-960h", "hub"), ("x/y.z", "hub")])
def test_hub_ids_are_told_from_paths(text, kind):
    assert find_source(text).kind == kind


@pytest.mark.parametrize("text", ["no such thing", "/no/such/folder", "a/b/c", "../x/y", ""])
def test_what_is_neither_is_refused_with_what_may_be_given(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if text == "":
        assert find_source(text).kind == "folder"  # the folder one is in
        return
    with pytest.raises(BundleError, match="facebook/wav2vec2-base-960h"):
        find_source(text)


def test_names_fit_a_folder():
    assert folder_name("a b/c:d") == "a-b-c-d"
    assert folder_name("...") == "model"
    assert len(folder_name("x" * 500)) < 100
    assert find_source("facebook/wav2vec2-base-960h").suggested_name == "wav2vec2-base-960h"


def test_a_failed_conversion_shows_its_last_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"not a checkpoint")
    program = "import sys; print('w2v-engine: this file holds no model', file=sys.stderr); sys.exit(2)"
    adder = ModelAdder(engine=(sys.executable, "-c", program))
    lines = []
    with pytest.raises(BundleError, match=r"^this file holds no model$"):
        adder.add(AddRequest(str(tmp_path / "model.pt")), lines.append)
    assert "w2v-engine: this file holds no model" in lines
    assert list(own_bundles_folder().iterdir()) == []


@pytest.mark.parametrize(
    ("chosen", "conversion", "card"),
    [
        ({}, [], "en"),
        ({"language": "ukr"}, ["--language", "ukr"], "ukr"),
        ({"adapter": "ukr"}, ["--language", "ukr"], "ukr"),
        ({"language": "uk", "adapter": "ukr"}, ["--language", "ukr"], "uk"),
    ],
)
def test_the_language_of_a_model_with_several_reaches_the_conversion(tmp_path, chosen, conversion, card):
    """MMS: without it the network would get the adapters and letters of another language."""
    (tmp_path / "mms").mkdir()
    says = "import json, sys; print('told ' + json.dumps(sys.argv[1:]))"
    adder = ModelAdder((sys.executable, "-c", says), (sys.executable, "-c", says + "; sys.exit(1)"))
    lines = []
    with pytest.raises(BundleError):
        adder.add(AddRequest(str(tmp_path / "mms"), **chosen), lines.append)
    imported, exported = (json.loads(line.removeprefix("told ")) for line in lines if line.startswith("told "))
    assert imported[4:] == conversion
    assert exported[exported.index("--language") + 1] == card


def test_a_conversion_can_be_cancelled(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"never read")
    program = "import sys, signal; print('begun', flush=True); signal.pause()"
    adder = ModelAdder(engine=(sys.executable, "-c", program))
    thread_error = []

    def run():
        try:
            adder.add(AddRequest(str(tmp_path / "model.pt")), lambda line: adder.cancel() if line == "begun" else None)
        except AddingCancelledError as error:
            thread_error.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert thread_error
    assert list(own_bundles_folder().iterdir()) == []


def test_only_own_models_are_removed(small_bundle):
    bundle = add(small_bundle, name="mine")
    remove_bundle(bundle)
    assert not bundle.folder.exists()
    shipped = next(bundle for bundle in installed_bundles() if bundle.card.name == "tiny-en")
    with pytest.raises(BundleError, match="shipped models stay"):
        remove_bundle(shipped)
    with pytest.raises(BundleError, match="yours to delete"):
        remove_bundle(open_bundle(small_bundle))
    assert small_bundle.is_dir()


def test_the_check_hears_the_sample():
    assert len(sample_speech()) > 16000
    assert np.abs(sample_speech()).max() > 0.01
    found = check_bundle(find_bundle("tiny-en"))
    assert {"FOUR", "FIVE", "TWO"} <= set(found.text.split())


def test_published_models_have_all_that_is_shown():
    offers = published_models()
    assert offers[0].id == "facebook/wav2vec2-base-960h"
    assert offers[0].size_text == "378 MB"
    for offer in offers:
        assert find_source(offer.id).kind == "hub"
        assert all((offer.title, offer.language, offer.licence, offer.note))


def test_the_commands(small_bundle, capsys):
    assert main(["models", "add", str(small_bundle), "--name", "mine"]) == 0
    assert "added mine" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert "mine" in listed
    assert "tiny-en" in listed
    assert "facebook/wav2vec2-base-960h" in listed
    assert main(["models", "list", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {item["name"] for item in objects} == {
        *(path.name for path in bundled_models_folder().iterdir() if path.is_dir()),
        "mine",
    }
    assert main(["models", "info", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(own_bundles_folder() / "mine")
    assert main(["models", "check", "mine"]) == 0
    assert "mine: works" in capsys.readouterr().out
    assert main(["models", "remove", "mine"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert main(["models", "remove", "mine", "--yes"]) == 0
    assert main(["models", "info", "mine"]) == 1
    assert "no model 'mine'" in capsys.readouterr().err


def test_the_doctor_names_what_is_wrong(small_bundle, capsys, monkeypatch):
    add(small_bundle, name="mine")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["doctor", "--json"]) == 0
    findings = {item["subject"]: item for item in map(json.loads, capsys.readouterr().out.splitlines())}
    assert findings["ONNX Runtime"]["state"] == "good"
    assert findings["model mine"]["state"] == "good"
    assert findings["model tiny-en (default)"]["text"].startswith("works")
    if sys.platform.startswith("linux"):
        assert findings["display"]["state"] == "note"
    graph = own_bundles_folder() / "mine" / "context.onnx"
    graph.write_bytes(graph.read_bytes()[:1000])
    assert main(["doctor"]) in (0, 1)
    told = capsys.readouterr().out
    assert "context.onnx" in told or "SHA-256" in told


def test_help_loads_no_library():
    program = (
        "import sys\nfrom w2v_studio.__main__ import argument_parser\nargument_parser().format_help()\n"
        "heavy = {'numpy', 'onnxruntime', 'PySide6', 'torch', 'av'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
