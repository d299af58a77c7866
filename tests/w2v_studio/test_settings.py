import json

import pytest

from w2v_studio import settings as settings_module
from w2v_studio.settings import SETTINGS, SHOW_HISTORY, THEME, VERSION, Settings


def test_values_survive_and_defaults_serve(tmp_path):
    path = tmp_path / "deep" / "settings.json"
    first = Settings(path)
    assert {setting.key: first.get(setting) for setting in SETTINGS} == {s.key: s.default for s in SETTINGS}
    assert not path.exists(), "reading writes nothing"
    first.set(THEME, "dark")
    first.set(SHOW_HISTORY, True)
    second = Settings(path)
    assert (second.get(THEME), second.get(SHOW_HISTORY)) == ("dark", True)
    assert json.loads(path.read_text())["version"] == VERSION


@pytest.mark.parametrize("value", ["blue", True, 3])
def test_a_value_that_is_not_allowed_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="system, light, dark"):
        Settings(tmp_path / "s.json").set(THEME, value)


def test_a_stored_value_that_is_not_allowed_falls_back(tmp_path):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"version": 1, "values": {"theme": "blue", "show_history": 1, "unknown": 5}}))
    settings = Settings(path)
    assert (settings.get(THEME), settings.get(SHOW_HISTORY)) == ("system", False)
    settings.set(THEME, "light")
    assert json.loads(path.read_text())["values"]["unknown"] == 5, "what a later version knows is kept"


@pytest.mark.parametrize("content", ["{", "[]", '{"values": {}}', '{"version": 1, "values": 3}', ""])
def test_a_broken_file_is_put_aside(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_text(content)
    settings = Settings(path)
    assert settings.get(THEME) == "system"
    assert "put aside" in settings.problem
    assert (tmp_path / "settings.broken.json").read_text() == content
    settings.set(THEME, "dark")
    assert Settings(path).get(THEME) == "dark"


def test_a_newer_file_is_read_but_not_overwritten(tmp_path):
    path = tmp_path / "settings.json"
    content = json.dumps({"version": VERSION + 1, "values": {"theme": "dark"}})
    path.write_text(content)
    settings = Settings(path)
    assert settings.get(THEME) == "dark"
    assert "update" in settings.problem
    settings.set(THEME, "light")
    assert settings.get(THEME) == "light"
    assert path.read_text() == content


def test_older_values_are_upgraded_step_by_step(tmp_path, monkeypatch):
    monkeypatch.setattr(settings_module, "VERSION", 3)
    monkeypatch.setattr(
        settings_module,
        "UPGRADES",
        {
            1: lambda values: {"look": values["appearance"]},
            2: lambda values: {"theme": values["look"]},
        },
    )
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"version": 1, "values": {"appearance": "dark"}}))
    assert Settings(path).get(THEME) == "dark"


def test_keys_are_unique_and_defaults_are_allowed():
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.accepts(setting.default) and setting.label for setting in SETTINGS)
