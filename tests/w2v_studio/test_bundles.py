import json
import shutil

import pytest

from export.bundle import BundleError
from w2v_studio import assets, bundles


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """Stands for resources/models."""
    monkeypatch.delenv("W2V_STUDIO_BUNDLE", raising=False)
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(bundles, "bundled_models_folder", lambda: folder)
    return folder


@pytest.fixture
def own(monkeypatch, tmp_path):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "bundles"
    folder.mkdir(parents=True)
    return folder


def put(bundle, folder, name, **card):
    shutil.copytree(bundle, folder / name)
    path = folder / name / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name, **card}))
    return folder / name


def test_shipped_bundles_come_before_the_user_s_own(small_bundle, shipped, own):
    put(small_bundle, own, "a-mine")
    put(small_bundle, shipped, "z-shipped")
    (own / ".hidden.tmp").mkdir()
    (own / "note.txt").write_text("not a bundle")
    assert [bundle.card.name for bundle in bundles.installed_bundles()] == ["z-shipped", "a-mine"]
    assert bundles.default_bundle().card.name == "z-shipped"
    assert bundles.broken_bundles() == []


def test_broken_bundles_are_left_out_and_listed_with_the_reason(small_bundle, shipped, own):
    put(small_bundle, own, "good")
    newer = put(small_bundle, own, "newer", format_version=99)
    (put(small_bundle, own, "torn") / "context.onnx").unlink()
    assert [bundle.card.name for bundle in bundles.installed_bundles()] == ["good"]
    broken = bundles.broken_bundles()
    assert [found.folder.name for found in broken] == ["newer", "torn"]
    assert broken[0].folder == newer
    assert "update w2v studio" in broken[0].reason
    assert "context.onnx" in broken[1].reason
    with pytest.raises(BundleError, match=r"lacks context\.onnx"):
        bundles.find_bundle("torn")


def test_a_bundle_is_found_by_name_or_folder(small_bundle, shipped, own, tmp_path):
    put(small_bundle, shipped, "tiny")
    elsewhere = put(small_bundle, tmp_path, "elsewhere")
    assert bundles.find_bundle("tiny").folder == shipped / "tiny"
    assert bundles.find_bundle(str(elsewhere)).folder == elsewhere
    assert bundles.find_bundle(elsewhere).folder == elsewhere


def test_the_environment_may_name_the_default(small_bundle, shipped, own, monkeypatch):
    put(small_bundle, shipped, "a-shipped")
    mine = put(small_bundle, own, "mine")
    monkeypatch.setenv("W2V_STUDIO_BUNDLE", "mine")
    assert bundles.default_bundle().folder == mine
    monkeypatch.setenv("W2V_STUDIO_BUNDLE", "gone")
    with pytest.raises(BundleError, match=r"no model 'gone': .*variable W2V_STUDIO_BUNDLE that asks for it"):
        bundles.default_bundle()
    monkeypatch.setenv("W2V_STUDIO_BUNDLE", "")
    assert bundles.default_bundle().card.name == "a-shipped"


def test_an_unknown_name_lists_what_there_is(small_bundle, shipped, own):
    put(small_bundle, shipped, "tiny")
    with pytest.raises(BundleError, match=r"no model 'tinny': .*\(tiny\)"):
        bundles.find_bundle("tinny")


def test_a_name_that_is_there_twice_asks_for_the_folder(small_bundle, shipped, own):
    put(small_bundle, shipped, "tiny")
    put(small_bundle, own, "tiny")
    with pytest.raises(BundleError, match="give the folder instead"):
        bundles.find_bundle("tiny")
    assert bundles.find_bundle(own / "tiny").folder == own / "tiny"


def test_without_any_bundle_the_remedy_is_named(shipped, own):
    with pytest.raises(BundleError, match=r"no model is installed: train one .* or put a bundle"):
        bundles.default_bundle()


def test_with_broken_bundles_only_the_reason_is_given(small_bundle, shipped, own):
    put(small_bundle, shipped, "newer", format_version=99)
    with pytest.raises(BundleError, match="update w2v studio"):
        bundles.default_bundle()


def test_shipped_files_are_found_in_the_checkout():
    assert assets.voice_activity_path().is_file()
    assert assets.icons_folder().is_dir()
    assert assets.samples_folder().is_dir()
    assert assets.presets_folder().parent == assets.resources_folder()


def test_the_data_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("W2V_STUDIO_HOME", str(tmp_path))
    assert assets.data_folder() == tmp_path
    monkeypatch.delenv("W2V_STUDIO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert assets.data_folder().name == "w2v-studio"
